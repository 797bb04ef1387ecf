"""Tasks in order, by one process or by many, whoever ends in between."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from glaciertime.errors import InputError
from glaciertime.pipeline.work import Result, Task, Where, run_tasks
from glaciertime.pipeline.work.running import _run

from . import calls


def tasks(call, given):
    return [Task(name=str(one), call=call, given=one) for one in given]


def test_results_come_in_the_order_of_the_tasks_whoever_is_done_first():
    found = run_tasks(tasks(calls.slow_first, range(6)), where=Where(jobs=2))
    assert [result.value for result in found] == [0, 1, 2, 3, 4, 5]


def test_one_process_and_two_give_the_same():
    alone, two = ([r.value for r in run_tasks(tasks(calls.square, range(5)), where=Where(jobs=n))] for n in (1, 2))
    assert alone == two == [0, 1, 4, 9, 16]


def test_a_process_that_is_killed_costs_an_attempt_of_its_task(tmp_path: Path):
    given = [(str(tmp_path), number) for number in range(6)]
    found = list(run_tasks(tasks(calls.die_once, given), where=Where(jobs=2)))
    assert [result.value for result in found] == [0, 1, 2, 3, 4, 5]


def test_a_task_that_kills_its_process_again_and_again_is_a_result_with_the_reason():
    found = list(run_tasks(tasks(calls.die_always, range(6)), where=Where(jobs=2)))
    assert [result.value for result in found] == [0, 1, 2, None, 4, 5]
    assert "ended by the system, out of memory as a rule" in found[3].lost


def test_what_a_task_raises_is_raised():
    with pytest.raises(InputError, match="is refused"):
        list(run_tasks(tasks(calls.refuse, [1, 2]), where=Where(jobs=2)))


def collect(results, found):
    for result in results:
        found.append(result.value)


class Hands:
    """Workers that do nothing until they are told to, and count what they have."""

    count = 2
    loses_all = False

    def __init__(self) -> None:
        self.futures: list[tuple[Task, Future]] = []
        self.looks = 0

    def submit(self, task: Task) -> Future:
        future: Future = Future()
        self.futures.append((task, future))
        return future

    def is_lost(self, error: BaseException) -> bool:
        return False

    def again(self, task: Task) -> Result:
        raise AssertionError

    def renew(self) -> None:
        raise AssertionError

    def check(self) -> None:
        """Do the newest task that waits; after the third, somebody presses Ctrl-C."""
        self.looks += 1
        if self.looks == 4:
            raise KeyboardInterrupt
        task, future = next((task, future) for task, future in reversed(self.futures) if not future.done())
        future.set_result(task.given)


def test_ctrl_c_hands_out_what_is_done_before_it_ends_the_run():
    found = []
    run = _run(iter(tasks(calls.square, range(100))), Hands())
    with pytest.raises(KeyboardInterrupt):
        collect(run, found)
    assert len(found) == 3
    assert found == sorted(found)
    assert 0 not in found  # the first was never done, and keeps nobody's result back


def test_tasks_are_read_as_they_are_needed():
    read = []

    def endless():
        for number in range(10_000):
            read.append(number)
            yield Task(name=str(number), call=calls.square, given=number)

    hands = Hands()
    with pytest.raises(KeyboardInterrupt):
        list(_run(endless(), hands))
    assert len(read) < 10


class Fragile:
    """Workers that lose one between two looks: the next that is handed over says so, and no task on its way does."""

    count = 2
    loses_all = True

    def __init__(self, takes: int) -> None:
        self.left, self.renewed = takes, 0

    def submit(self, task: Task) -> Future:
        if not self.left:
            raise ConnectionResetError
        self.left -= 1
        future: Future = Future()
        future.set_result(task.call(task.given))
        return future

    def is_lost(self, error: BaseException) -> bool:
        return isinstance(error, ConnectionResetError)

    def again(self, task: Task) -> Result:
        raise AssertionError

    def renew(self) -> None:
        self.left, self.renewed = 3, self.renewed + 1

    def check(self) -> None: ...


@pytest.mark.parametrize("takes", [0, 1, 2, 3])
def test_a_worker_lost_while_a_task_is_handed_over_costs_that_task_nothing(takes):
    workers = Fragile(takes)
    found = list(_run(iter(tasks(calls.square, range(7))), workers))
    assert [result.value for result in found] == [number**2 for number in range(7)]
    assert workers.renewed >= 1
