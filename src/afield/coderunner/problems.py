"""Problems: a task, and the tests that a solution has to pass. Read from `problem.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

from pydantic import Field, ValidationError, field_validator, model_validator

from afield.coderunner.judging import Compare, Mode
from afield.coderunner.problem_yaml import Document, Flaw, FlawError
from afield.connectors.base import StrictModel
from afield.connectors.coding import MOST_CODE_BYTES, CodeLimits
from afield.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST_TESTS = 200
MOST_BYTES = 32 * 1024 * 1024
"""Of all inputs and expected outputs together."""

ReadFile: TypeAlias = Callable[[str], str]
_Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Text = Annotated[str, Field(max_length=MOST_CODE_BYTES, strict=True)]


class ProblemError(InvalidInputError):
    """The text is no problem; `flaws` say why, with their lines."""

    code = "problem_not_valid"

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        super().__init__(f"The problem is not valid: {'; '.join(map(str, flaws))}.")
        self.flaws = tuple(flaws)


class Comparison(StrictModel):
    """How a program's output is compared with the expected one."""

    mode: Mode = Mode.TRIMMED
    absolute: _Tolerance = 0.0
    relative: _Tolerance = 0.0

    @model_validator(mode="before")
    @classmethod
    def _of_a_word(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        tolerant = self.absolute > 0 or self.relative > 0
        if tolerant != (self.mode is Mode.FLOAT):
            raise ValueError("a tolerance (absolute, relative) belongs to the mode float, and only to it")
        return self

    def compare(self) -> Compare:
        """As the judge takes it."""
        return Compare(self.mode, self.absolute, self.relative)


class ProblemTest(StrictModel):
    """One test: an input, and what has to be printed for it."""

    name: str = Field(default="", max_length=128)
    stdin: _Text = ""
    stdin_file: str | None = Field(default=None, min_length=1, max_length=512)
    expected: _Text | None = None
    expected_file: str | None = Field(default=None, min_length=1, max_length=512)
    points: float = Field(default=1.0, ge=0, le=1e6, allow_inf_nan=False)
    hidden: bool = False

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.expected is None) == (self.expected_file is None):
            raise ValueError("give either expected or expected_file")
        if self.stdin and self.stdin_file is not None:
            raise ValueError("give either stdin or stdin_file")
        return self


class Problem(StrictModel):
    """A task with its tests. Once it was read, the tests hold their inputs and outputs themselves."""

    title: str = Field(min_length=1, max_length=200)
    statement: str = Field(default="", max_length=100_000)
    languages: tuple[str, ...] = Field(default=(), max_length=50, description="Allowed ones; none given: all.")
    limits: CodeLimits = CodeLimits()
    compile_limits: CodeLimits = CodeLimits()
    compare: Comparison = Comparison()
    stop_at_first_failure: bool = False
    tests: tuple[ProblemTest, ...] = Field(min_length=1, max_length=MOST_TESTS)

    @field_validator("languages")
    @classmethod
    def _lower(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.lower() for name in value)


def parse_problem(text: str, read: ReadFile | None = None) -> Problem:
    """A problem from its text. `read` gives the text of a file beside it; without it, a problem must hold all of its
    tests itself. Raises ProblemError, and what `read` raises."""
    try:
        document = Document(text)
    except FlawError as error:
        raise ProblemError([error.flaw]) from error
    if not isinstance(document.data, dict):
        raise ProblemError([Flaw(1, "it is not a mapping that begins with `title:`")])
    try:
        problem = Problem.model_validate(document.data)
    except ValidationError as error:
        raise ProblemError(sorted(_flaws(document, error))) from error
    return _whole(problem, document, read)


def load_problem(path: Path) -> Problem:
    """A problem from a file, and the files beside it. Reads files: not for an event loop.

    Raises ProblemError, NotFoundError, InvalidInputError for a file outside the problem's folder.
    """
    folder = path.parent.resolve()
    return parse_problem(_text_of(path, path), lambda name: _text_of(_beside(folder, name), path))


def _beside(folder: Path, name: str) -> Path:
    found = (folder / name).resolve()
    if not found.is_relative_to(folder):
        raise InvalidInputError(
            f"The file {name!r} is outside the problem's folder.", hint="Put it beside the problem."
        )
    return found


def _text_of(path: Path, problem: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read(MOST_CODE_BYTES + 1)
    except (OSError, ValueError) as error:
        told = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "it cannot be read"
        raise NotFoundError(f"{path.name}, of the problem {problem.name}: {told}.", hint="Check its name.") from error
    if len(text) > MOST_CODE_BYTES:
        raise InvalidInputError(f"{path.name} is longer than {MOST_CODE_BYTES} characters.")
    return text


def _whole(problem: Problem, document: Document, read: ReadFile | None) -> Problem:
    """With the tests' files read."""
    tests = tuple(_with_files(test, document.line_of(("tests", n)), read) for n, test in enumerate(problem.tests))
    size = sum(len(test.stdin) + len(test.expected or "") for test in tests)
    if size > MOST_BYTES:
        raise ProblemError([Flaw(1, f"its tests are larger than {MOST_BYTES} characters")])
    return problem.model_copy(update={"tests": tests})


def _with_files(test: ProblemTest, line: int, read: ReadFile | None) -> ProblemTest:
    if test.stdin_file is None and test.expected_file is None:
        return test
    if read is None:
        raise ProblemError([Flaw(line, "a problem that is sent cannot name files; write stdin and expected out")])
    changes: dict[str, str | None] = {"stdin_file": None, "expected_file": None}
    if test.stdin_file is not None:
        changes["stdin"] = read(test.stdin_file)
    if test.expected_file is not None:
        changes["expected"] = read(test.expected_file)
    return test.model_copy(update=changes)


def _flaws(document: Document, error: ValidationError) -> Iterator[Flaw]:
    details = error.errors(include_url=False)
    with_flaws = {detail["loc"][0] for detail in details if len(detail["loc"]) > 1}
    for detail in details:
        if detail["type"] == "too_short" and detail["loc"][0] in with_flaws:
            continue  # pydantic does not count the items that are wrong
        yield Flaw(document.line_of(detail["loc"]), _message(detail))


def _message(detail: ErrorDetails) -> str:
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    match detail["type"]:
        case "missing":
            return f"{name} is missing"
        case "extra_forbidden":
            return f"{name} is not a field of a problem"
        case "string_type":
            return f"{name} must be a text; put it in quotes, or below a `|`"
    return f"{name}: {detail['msg'].removeprefix('Value error, ')}"
