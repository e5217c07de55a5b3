"""JSON that is inert inside a page: no sign in it can end its element, begin a comment, or turn a line around."""

import json
import re

from ..console.ink import UNSAFE

_MARKUP = re.compile("[<>&]")


def inert(value: object) -> str:
    """As JSON in which `<`, `>`, `&`, control and bidirectional characters and lone surrogates are `\\u....`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return UNSAFE.sub(_escaped, _MARKUP.sub(_escaped, text))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
