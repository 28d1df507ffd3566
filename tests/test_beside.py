"""Work in another thread: its results, its errors, its threads, and where there is no core for it."""

import subprocess
import sys
import threading
import time

import pytest
import torch

from elq.beside import MOST, begun, together


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_it_computes_in_another_thread_with_one_thread_and_without_gradients(two_threads):
    def compute():
        return threading.get_ident(), torch.get_num_threads(), torch.is_inference_mode_enabled()

    thread, threads, inference = begun(compute)()
    assert thread != threading.get_ident()
    assert (threads, inference) == (1, True)
    assert torch.get_num_threads() == 2


def test_it_begins_before_the_result_is_asked_for(two_threads):
    began = threading.Event()
    result = begun(began.set)
    assert began.wait(10)
    assert result() is None


def test_with_one_thread_the_calling_thread_computes_when_it_is_asked():
    before, calls = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        result = begun(lambda: calls.append(threading.get_ident()))
        assert not calls
        result()
    finally:
        torch.set_num_threads(before)
    assert calls == [threading.get_ident()]


def test_an_error_is_raised_where_the_result_is_asked_for(two_threads):
    result = begun(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        result()


def test_together_gives_results_in_order_and_runs_them_at_the_same_time():
    meeting = threading.Barrier(2, timeout=10)  # broken if one of them waits for the other to end

    def compute(number):
        meeting.wait()
        return number

    assert together(lambda: compute(1), lambda: compute(2)) == [1, 2]
    assert together(*(lambda number=number: number for number in range(3 * MOST))) == [*range(3 * MOST)]


def test_together_raises_the_first_error_in_the_order_of_the_functions():
    def late():
        time.sleep(0.05)
        raise ValueError("the first")

    def early():
        raise ValueError("the second")

    with pytest.raises(ValueError, match="the first"):
        together(late, early)


AFTER_THE_MAIN_THREAD = """
import threading, torch
from elq.beside import begun, together
from elq.linking.workers import side_by_side

def work():
    threading.main_thread().join()
    print(begun(lambda: 1)(), together(lambda: 2, lambda: 3), *side_by_side(str, range(4, 40), 2))

torch.set_num_threads(2)
threading.Thread(target=work).start()
"""


def test_a_thread_that_goes_on_after_the_main_thread_computes_itself():
    """Python lets no pool begin anything then."""
    found = subprocess.run([sys.executable, "-c", AFTER_THE_MAIN_THREAD], capture_output=True, text=True, timeout=100)
    assert found.stdout.split() == ["1", "[2,", "3]", *map(str, range(4, 40))], found.stderr
