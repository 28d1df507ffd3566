"""The garbage collector passes over what a start makes, and only over that."""

import gc
import subprocess
import sys

from elq.collector import starting


def said_by(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_start_is_passed_over_and_then_garbage_is_collected_again():
    code = """
import gc
from elq.collector import starting
with starting():
    print(gc.isenabled())
    import decimal
print(gc.isenabled(), gc.get_freeze_count() > 1000)
"""
    assert said_by(code) == ["False", "True True"]


def test_an_error_ends_the_start_too():
    code = """
import gc
from elq.collector import starting
try:
    with starting():
        raise ValueError
except ValueError:
    print(gc.isenabled())
"""
    assert said_by(code) == ["True"]


def test_a_process_that_works_already_is_left_alone():
    assert "torch" in sys.modules or __import__("torch")
    before = gc.get_freeze_count()
    with starting():
        assert gc.isenabled()
    assert gc.get_freeze_count() == before


def test_what_is_registered_for_the_end_still_runs_and_output_is_whole(tmp_path):
    code = f"""
import atexit
from elq.collector import end_quickly
left = open({str(tmp_path / "left.txt")!r}, "w")
left.write("written")
atexit.register(print, "the end")
end_quickly()
end_quickly()
print("x" * 100_000)
"""
    lines = said_by(code)
    assert (len(lines[0]), lines[1:]) == (100_000, ["the end"])
    assert (tmp_path / "left.txt").read_text() == "written"


def test_the_command_registers_it():
    code = """
import atexit, gc
from elq.commands import run
atexit.register(lambda: print(gc.get_freeze_count() > 1000))  # what is registered first runs last
run("compare", [])
"""
    assert said_by(code) == ["True"]
