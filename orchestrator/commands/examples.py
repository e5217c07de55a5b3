"""What `--help` shows below the options: commands to copy, and what the exit codes mean."""

from typing import Final

_EXIT: Final = """
Exit codes (the worst counts): [b]0[/b] all answered, [b]1[/b] some abstained, [b]2[/b] wrong input,
[b]3[/b] some exhausted their budget, [b]4[/b] some failed, [b]130[/b] interrupted.
"""
ALL: Final = f"""
[b]Examples[/b]

  headgate run spec_reason "Tom has 17 apples. Mia has 5 more than Tom. How many does Mia have?"

  headgate tasks sample word_problems --n 24 --seed 7 > problems.jsonl

  headgate run recipes/spec_reason.yaml --input problems.jsonl --out runs/first

  headgate resume runs/first

  headgate trace runs/first --problem p3
{_EXIT}"""
RESUME: Final = f"""
[b]Examples[/b]

  headgate resume runs/x

  headgate resume runs/x --again failed --again exhausted

To go on with a larger budget, edit runs/x/recipe.yaml and add --accept-changed-recipe: what is finished stands, what is
spent counts, the rest is run by the recipe as it is now.
{_EXIT}"""
TRACE: Final = """
[b]Examples[/b]

  headgate trace runs/x

  headgate trace runs/x --problem p3 --follow

  headgate trace runs/x runs/y

  headgate trace runs/x | less

  headgate trace runs/x --html x.html

  headgate trace runs/x --otel http://localhost:4318

  headgate trace runs/x --json | jq 'select(.kind == "refuse")'
"""
DOCTOR: Final = """
[b]Examples[/b]

  headgate doctor

  headgate doctor vllm

  headgate doctor --json | jq .state

Each engine is tried on the small models that ship, for a few seconds, in a process of its own.
Exit code 4 says that one that is installed fails.
"""
RUN: Final = f"""
[b]Examples[/b]

  headgate run spec_reason "Tom has 17 apples. ..." --set nodes.solve.with.threshold=5

  echo "Tom has 17 apples. ..." | headgate run spec_reason - --json --quiet

  headgate run spec_reason --input problems.jsonl --out runs/x --budget tokens=20k,seconds=60 --compare target

  headgate resume runs/x

A batch, or a question with --out, keeps recipe.yaml, problems.jsonl, journal.jsonl and answers.jsonl in its folder.
Whatever ends it, Ctrl-C, kill -9 or a full disk, `headgate resume` goes on from there.
{_EXIT}"""
BENCH: Final = """
[b]Examples[/b]

  headgate bench recipes/*.yaml --tasks word_problems --n 300

  headgate bench direct spec_reason --tasks my.jsonl --seeds 3 --workers 2 --model target=vllm:MODEL --out runs/x

  headgate bench direct spec_reason --tasks word_problems --until-width 0.06 --budget-total tokens=2M

  headgate resume runs/x

The folder keeps bench.yaml, problems.jsonl, a run for each recipe and seed in cells/, records.jsonl, report.md and
plots/. Whatever ends it, the same command with the same --out, or `headgate resume`, goes on from there.

Exit codes: [b]0[/b] all was measured, [b]2[/b] wrong input, [b]3[/b] the bench's budget is spent, [b]4[/b] some
problems failed, [b]130[/b] interrupted.
"""
PREDICT: Final = """
[b]Examples[/b]

  headgate predict spec_reason --draft-ms 8 --target-ms 40 --judge-ms 45 --accept 0.7

  headgate predict spec_reason --draft-ms 8 --target-ms 40 --judge-ms 45 --set nodes.solve.with.overlap=true

Milliseconds are of one token; a decision is one reading of the step by whoever judges.
"""
CALIBRATE: Final = """
[b]Examples[/b]

  headgate calibrate spec_reason --share 0.25

  headgate calibrate recipes/mine.yaml --share 0.1 --tasks my_problems.jsonl --n 400 --write recipes/tenth.yaml

Answers are not looked at. A threshold moves what it decides about, so that it is found anew a few times; the last round
measures what share was reached, and the recipe says so beside the number. A shipped recipe is written to ./NAME.yaml.
"""
TRAIN_ROUTER: Final = """
[b]Examples[/b]

  headgate train-router backends/local/embedded --out runs/router

  headgate train-router recipes/mine.yaml --reward vllm:MODEL --tasks my_problems.jsonl --n 2000 --trunk FOLDER

Both models write every step, the process reward compares them, and the router learns to tell from the draft's alone.
Answers are not looked at. Whatever ends it, the same command with the same --out goes on from there.
"""
