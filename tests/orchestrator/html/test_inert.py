import json

from hypothesis import example, given
from hypothesis import strategies as st

from headgate.orchestrator.console.ink import UNSAFE
from headgate.orchestrator.html.inert import inert


@given(st.recursive(st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.none(), st.lists))
@example("</script><!--<script>")
@example("\u202e \u2028 \x1b[2J \x7f \ud800 \U000e0041 &amp;")
def test_it_says_the_same_and_no_sign_of_it_can_be_obeyed(value: object) -> None:
    made = inert(value)
    assert json.loads(made) == value
    assert not UNSAFE.search(made)
    assert not set("<>&") & set(made)
    made.encode("utf-8")
