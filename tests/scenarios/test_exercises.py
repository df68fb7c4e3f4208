"""Is each exercise one? The untouched scenario fails it, the reference passes it whatever is delayed, an answer that does nothing fails it.

Each check returns its complaints, one a line; none is good. Doctored exercises below must be refused.
"""
from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from changes import Lab, apply
from harness.explore import schedules
from harness.judge import comparison
from harness.learn import changes, exercises, originals
from harness.learn.exercises import Exercise, ExerciseError
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.delivery import Delivery
from harness.stage.scenarios import ROOT, Scenario, find, find_all
from pairs import lent
from ready import program

OWN = exercises.OWN
ALL = [(s.name, letter) for s in find_all() if int(s.number) < OWN for letter in exercises.letters(s.folder)]
BESIDE = [(name, letter) for name, letter in ALL if (ROOT / "scenarios" / name / "exercises" / letter / exercises.OTHER).exists()]
LEAST = 12      # letters of a line of code that tells a solution: a brace alone tells none


def load(name: str, letter: str, scenarios: Path = ROOT / "scenarios") -> Exercise:
    return exercises.load(scenarios / name, letter)


def files_of(name: str) -> "dict[str, str]":
    scenario = find(name)
    return originals.text(originals.present(scenario, {path.name: b"" for path in scenario.folder.iterdir() if path.is_file()}))


class Tried:
    """A scenario of its own, changed, with the exercise's contract. Its programs are built once for all tests."""

    def __init__(self, exercise: Exercise, files: "dict[str, str]", factory: pytest.TempPathFactory) -> None:
        self.exercise, self.files, self.factory = exercise, files, factory
        folder = factory.mktemp("tried")
        self.scenario = Scenario(exercise.scenario, folder / "source", folder / "build", exercise.contract)
        for name, text in files.items():
            (self.scenario.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.scenario.folder / name).write_text(text)
        self.scenario.build.mkdir()
        for one in self.scenario.stage.programs:
            shutil.copy2(program(factory, exercise.scenario, files, one.file), self.scenario.program(one.file))

    def beside(self) -> Scenario:
        """The same, with the exercise's other program."""
        there = self.exercise.folder / exercises.OTHER
        inside = f"{exercises.FOLDER}/{self.exercise.letter}/{exercises.OTHER}"
        files = {**self.files, **{f"{inside}/{path.name}": path.read_text() for path in there.glob("*.[ch]")}}
        other = program(self.factory, self.exercise.scenario, files, f"{inside}/{self.exercise.other}")
        return dataclasses.replace(self.scenario, rules=there / "contract.txt", other=other)

    def verdict(self) -> comparison.Verdict:
        return judged(self.scenario)

    def under(self, way: str) -> comparison.Verdict:
        """The verdict about a run with another way of delivery."""
        scenario, policy = self.scenario, Delivery(way)
        policy.conductor = Conductor(scenario, policy, keeper=lent())
        return comparison.judge(policy.conductor.run(), scenario.load_contract())


def judged(scenario: Scenario, isolate: bool = True) -> comparison.Verdict:
    return comparison.judge(Conductor(scenario, VirtualClock(), keeper=lent(isolate)).run(), scenario.load_contract())


def explored(scenario: Scenario) -> "list[schedules.Tried]":
    """Every schedule with one delay that changes something, in this process: the processes of an exploration cost as much as some runs."""
    job = schedules.Job(scenario, scenario.load_contract(), skip=False, isolate=True)
    first = job.attempt((), lent())
    return [first, *(job.attempt((place,), lent()) for place in sorted(first.places) if not first.same_with(place))]


@pytest.fixture
def tried(tmp_path_factory) -> "Callable[[Exercise, dict[str, str]], Tried]":
    return lambda exercise, files: Tried(exercise, files, tmp_path_factory)


def each(parameters=ALL):
    return pytest.mark.parametrize("name, letter", parameters, ids=[f"{name.partition('-')[0]}{letter}" for name, letter in parameters])


def wrong_answers():
    """All of them but those that pass beside the learner's own program."""
    return [(name, letter, path.stem) for name, letter in ALL for path in sorted((ROOT / "scenarios" / name / "exercises" / letter / "wrong").glob("*.diff"))
            if path.stem != "by-heart" or (name, letter) not in BESIDE]


# --- what it is to do ------------------------------------------------------------------------------------------------

@each()
def test_an_exercise_is_read_and_its_texts_are_short(name, letter):
    exercise = load(name, letter)
    assert len(exercise.title) < 60 and len(exercise.task.split()) < 90, exercise.task
    assert 2 <= len(re.findall(r"[.?!](?=\s|$)", exercise.why)) <= 5, exercise.why
    assert exercises.load_contract(exercise, find(name)).plans


@each()
def test_each_line_of_a_task_and_of_a_reason_ends_a_sentence(name, letter):
    """A terminal folds each line by itself."""
    folder = ROOT / "scenarios" / name / "exercises" / letter
    lines = (folder / "task.txt").read_text().splitlines()[2:] + (folder / "why.txt").read_text().splitlines()
    assert [line for line in lines if not re.search(r"[.?!:][\"')]?$", line)] == []


@pytest.mark.parametrize("name, letter", [one for one in ALL if (ROOT / "scenarios" / one[0] / "exercises" / one[1] / "start.diff").exists()])
def test_a_skeleton_is_built_without_a_warning(name, letter, tmp_path):
    lab = Lab(tmp_path, tmp_path / "build", [name])
    apply((ROOT / "scenarios" / name / "exercises" / letter / "start.diff").read_text(), lab.scenarios)
    programs = [f"{lab.build}/{name}/{program}" for program in ("client", "server")]
    done = subprocess.run(["make", "-s", f"SCENARIOS={lab.scenarios}", f"BUILD={lab.build}", *programs], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name, letter", [one for one in ALL if load(*one).start])
def test_what_the_scenario_says_of_itself_stands_in_no_program_of_the_exercise_that_is_another(name, letter):
    """What a skeleton says at its top is true of it, and the reference says the same: so it does not differ from a learner's there."""
    exercise, files = load(name, letter), files_of(name)
    skeleton, solved = exercises.skeleton(exercise, files), exercises.solved(exercise, files)
    for file in (file for file in files if not files[file] == skeleton[file] == solved[file] and files[file].startswith("//")):
        tops = {text[file].partition("#include")[0] for text in (skeleton, solved)}
        assert len(tops) == 1 and not set(tops.pop().splitlines()) & set(files[file].splitlines()) - {""}, file


@each()
def test_the_untouched_scenario_fails_it(name, letter, tried):
    exercise = load(name, letter)
    for files in [files_of(name)] + [exercises.skeleton(exercise, files_of(name))] * bool(exercise.start):
        assert tried(exercise, files).verdict().status == 1


@each()
def test_the_solution_passes_whichever_program_is_delayed_and_without_a_private_network(name, letter, tried):
    """And beside the exercise's other program, if it has one. (What is forced there and what is luck, the verdict of one run tells.)"""
    exercise = load(name, letter)
    made = tried(exercise, exercises.solved(exercise, files_of(name)))
    scenario = made.scenario
    tries = explored(scenario)
    broken = [(one.schedule, [(d.kind, d.who, d.expected, d.found) for d in one.verdict.differences]) for one in tries if one.verdict.status]
    assert broken == [] and comparison.explored([one.verdict for one in tries], scenario.load_contract()) == ()
    verdict = judged(scenario, isolate=False)
    assert verdict.status == 0, verdict.differences
    if exercise.other:
        pair = made.beside()
        assert [judged(pair, isolate).status for isolate in (True, False)] == [0, 0]


@each([one for one in ALL if exercises.load_contract(load(*one), find(one[0])).deliveries])
def test_the_solution_passes_however_its_reads_are_served(name, letter, tried):
    exercise = load(name, letter)
    made = tried(exercise, exercises.solved(exercise, files_of(name)))
    for way in made.scenario.load_contract().deliveries:
        assert made.under(way).status == 0, way


@pytest.mark.parametrize("name, letter, answer", wrong_answers(), ids=lambda value: value.partition("-")[0] if value[:1].isdigit() else value)
def test_a_wrong_answer_fails(name, letter, answer, tried):
    exercise = load(name, letter)
    path = exercise.folder / "wrong" / f"{answer}.diff"
    made = tried(exercise, exercises.changed(exercise, path.read_text(), path, files_of(name)))
    ways = made.scenario.load_contract().deliveries
    assert made.verdict().status == 1 or 1 in (made.under(way).status for way in ways)


@each(BESIDE)
def test_an_answer_by_heart_fails_only_beside_the_other_program(name, letter, tried):
    exercise = load(name, letter)
    path = exercise.folder / "wrong" / "by-heart.diff"
    made = tried(exercise, exercises.changed(exercise, path.read_text(), path, files_of(name)))
    assert made.verdict().status == 0
    assert [way for way in made.scenario.load_contract().deliveries if made.under(way).status] == []
    assert judged(made.beside()).status == 1


def own_lines(exercise: Exercise) -> "list[str]":
    """The lines that a solution adds, and that neither the scenario nor the skeleton nor a wrong answer has: those that solve it."""
    others = [text.replace("\n+", "\n ") for text in (exercise.start, *(path.read_text() for path in exercise.wrong))]
    known = {line.strip() for text in [*files_of(exercise.scenario).values(), *others] for line in text.splitlines()}
    added = [line[1:].strip() for part in changes.parse(exercise.solution) for line in part.lines if line[:1] == "+"]
    return [line for line in added if len(re.sub(r"\W", "", line)) >= LEAST and line not in known]


def page_complaints(exercise: Exercise, page: str) -> "list[str]":
    """A lesson's text names each of its exercises, and holds no solution: at most half of the lines that one adds."""
    found = [] if f"make exercise-{exercise.name}" in page else [f"does not name make exercise-{exercise.name}"]
    found += [] if not exercise.start or f"make start-{exercise.name}" in page else [f"does not name make start-{exercise.name}"]
    lines = {line.strip().lstrip("+").strip() for line in page.splitlines()}
    told = [line for line in own_lines(exercise) if line in lines]
    return found + ([f"tells the solution: {told}"] if told and len(told) * 2 > len(own_lines(exercise)) else [])


@each()
def test_a_lesson_names_its_exercises_and_tells_no_solution(name, letter):
    assert page_complaints(load(name, letter), (ROOT / "lessons" / f"{name}.md").read_text()) == []


@pytest.mark.parametrize("name", sorted({name for name, _ in ALL}))
def test_a_lesson_has_two_to_modify_and_one_to_make(name):
    kinds = [bool(load(name, letter).start) for one, letter in ALL if one == name]
    assert kinds.count(False) >= 2 and kinds.count(True) >= 1 and any(kinds[2:]), kinds


# --- negative controls -----------------------------------------------------------------------------------------------

@pytest.fixture
def doctored(tmp_path) -> Path:
    """An exercise that may be broken, in a folder of its own."""
    return Lab(tmp_path, tmp_path / "build", ["04-half-close"]).scenarios / "04-half-close"


@pytest.mark.parametrize("file, text, words", [
    ("task.txt", None, r"exercises/a/task.txt: there is none; each exercise has one"),
    ("task.txt", "", r"exercises/a/task.txt:1: the first line is empty"),
    ("task.txt", "title\ntask", r"exercises/a/task.txt:2: the second line is not empty"),
    ("task.txt", "title\n\n \n", r"exercises/a/task.txt:3: there is no task"),
    ("why.txt", " \n", r"exercises/a/why.txt:1: it is empty"),
    ("contract.txt", None, r"exercises/a/contract.txt: there is none"),
    ("solution.diff", "words\n", r"exercises/a/solution.diff:1: nothing is changed"),
    ("solution.diff", "--- scenarios/04-half-close/server.c\n+a\nno sign\n", r"exercises/a/solution.diff:3: the line has no sign"),
    ("solution.diff", "+\n" * 40000, r"exercises/a/solution.diff: more than 65536 bytes"),
    ("wrong/log-only.diff", "--- x\nno sign\n", r"exercises/a/wrong/log-only.diff:2: the line has no sign")])
def test_a_broken_exercise_is_refused_with_its_place(doctored, file, text, words):
    path = doctored / "exercises" / "a" / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ExerciseError, match=f"^scenarios/04-half-close/{words}"):
        exercises.load(doctored, "a")


def test_without_a_wrong_answer_an_exercise_is_refused(doctored):
    shutil.rmtree(doctored / "exercises" / "a" / "wrong")
    with pytest.raises(ExerciseError, match="exercises/a/wrong: there is no wrong answer"):
        exercises.load(doctored, "a")


@pytest.mark.parametrize("files, words", [
    ([], "other: has to have one program"), (["client.c", "server.c", "contract.txt"], "other: has to have one program"), (["client.c"], "other/contract.txt: there is none")])
def test_an_other_program_that_can_not_judge_is_refused(doctored, files, words):
    folder = doctored / "exercises" / "a" / "other"
    folder.mkdir()
    for file in files:
        (folder / file).write_text("")
    with pytest.raises(ExerciseError, match=f"^scenarios/04-half-close/exercises/a/{words}"):
        exercises.load(doctored, "a")


@pytest.mark.parametrize("change, words", [
    ("--- scenarios/04-half-close/server.c\n-    nowhere();\n", r"solution.diff:1: scenarios/04-half-close/server.c has 0 places that read so"),
    ("--- scenarios/04-half-close/server.c\n-}\n", r"solution.diff:1: scenarios/04-half-close/server.c has [2-9] places that read so"),
    ("--- scenarios/02-no-break-deadlock/server.c\n+x\n", r"solution.diff:1: scenarios/02-no-break-deadlock/server.c is no file of scenarios/04")])
def test_a_change_that_does_not_fit_is_refused(doctored, change, words):
    exercise = dataclasses.replace(exercises.load(doctored, "a"), solution=change)
    with pytest.raises(ExerciseError, match=words):
        exercises.solved(exercise, files_of("04-half-close"))


def test_a_page_that_tells_a_solution_is_refused():
    exercise = load("04-half-close", "a")
    page = "make exercise-4a\n" + exercise.solution
    assert any("tells the solution" in words for words in page_complaints(exercise, page))
    assert any("does not name make exercise-4a" in words for words in page_complaints(exercise, ""))


def test_changes_are_made_as_the_tests_make_them(tmp_path):
    """Two writers of one notation agree."""
    for path in sorted((ROOT / "scenarios").glob("0[0-4]*/mutants/*.diff")):
        name = path.parents[1].name
        scenarios = tmp_path / name / path.stem
        shutil.copytree(ROOT / "scenarios" / name, scenarios / name, ignore=shutil.ignore_patterns("exercises", "mutants"))
        apply(path.read_text(), scenarios)
        after = changes.apply(path.read_text(), f"scenarios/{name}", files_of(name))
        assert all((scenarios / name / file).read_text() == text for file, text in after.items())
