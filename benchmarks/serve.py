"""Measures `elq serve`: questions a second, times of answers and errors, with a load generator of one process.

    python benchmarks/serve.py                            # starts a server with the starter
    python benchmarks/serve.py --requests 50000 --connections 32
    python benchmarks/serve.py --url http://127.0.0.1:8080 --rate 80 --seconds 60

One question a request, over connections that stay open. First every connection asks again as soon as it has its answer (the
highest throughput). Then requests are sent at a fixed rate, by default half of what was reached, and the time of an answer
counts from when the request was due. The in-process throughput (``Linker.link`` with all questions at once) is measured in the
same run, before the server starts. The share of a core that this process used is printed too: near 100 %, it is the limit and
not the server. The CPU of a question, in milliseconds, depends little on what else the machine does.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = ROOT / "elq" / "starter" / "test.jsonl"
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """A connection that stays open, with one request at a time."""

    def connection_made(self, transport):
        self.transport, self.found, self.need, self.waiting = transport, b"", None, None

    def data_received(self, data):
        self.found += data
        if self.need is None and (end := self.found.find(b"\r\n\r\n")) >= 0:
            match = LENGTH.search(self.found, 0, end)
            self.need = end + 4 + int(match[1])
        if self.need is not None and len(self.found) >= self.need and not self.waiting.done():
            status, self.found, self.need = self.found[9:12], b"", None
            self.waiting.set_result(status == b"200")

    def connection_lost(self, error):
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(False)

    async def ask(self, request: bytes) -> bool:
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.waiting


def requests_of(texts, token):
    """The bytes of a request for each text."""
    made = []
    for text in texts:
        body = json.dumps({"question": text}).encode()
        head = f"POST /link HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        made.append((head + (f"Authorization: Bearer {token}\r\n" if token else "") + "\r\n").encode() + body)
    return made


async def connected(host, port, number):
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Connection, host, port))[1] for _ in range(number)]


async def closed(host, port, requests, number, connections):
    """Ask ``number`` requests, each connection one after the other; returns the seconds of each answer, and the errors."""
    source, times, errors = iter(range(number)), [], 0

    async def client(connection):
        nonlocal errors
        for place in source:
            began = time.perf_counter()
            good = await connection.ask(requests[place % len(requests)])
            times.append(time.perf_counter() - began)
            errors += not good

    await asyncio.gather(*map(client, await connected(host, port, connections)))
    return times, errors


async def paced(host, port, requests, rate, seconds, connections):
    """Ask at a fixed rate, whether answers have come or not; a time counts from when the request was due."""
    free, times, errors, number = asyncio.Queue(), [], 0, int(rate * seconds)
    for connection in await connected(host, port, connections):
        free.put_nowait(connection)

    async def one(due, request):
        nonlocal errors
        connection = await free.get()
        errors += not await connection.ask(request)
        times.append(time.perf_counter() - due)
        free.put_nowait(connection)

    began, tasks, source = time.perf_counter(), [], cycle(requests)
    for place in range(number):
        due = began + place / rate
        if (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        tasks.append(asyncio.ensure_future(one(due, next(source))))
    await asyncio.gather(*tasks)
    return times, errors


async def beside_long_texts(number, host, port, token, run):
    """Ask as ``run`` does, while a number of connections ask texts of 10,000 characters without end."""
    [request] = requests_of(["what was said of the titanic and of the river in paris? " * 178], token)
    loops = [asyncio.ensure_future(_without_end(one, request)) for one in await connected(host, port, number)]
    try:
        return await run
    finally:
        for loop in loops:
            loop.cancel()


async def _without_end(connection, request):
    while True:
        await connection.ask(request)


def measured(name, run, address):
    """Run one load, and print its figures. Returns the questions a second."""
    before, wall, cpu = counts(address), time.perf_counter(), time.process_time()
    times, errors = asyncio.run(run)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    server, questions, batches = (after - earlier for after, earlier in zip(counts(address), before, strict=True))
    times.sort()
    p50, p95, p99 = (1000 * times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.95, 0.99))
    print(
        f"{name}: {len(times) / wall:.1f} questions/s, p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, {errors} errors in"
        f" {len(times):,} requests; CPU: this process {cpu / wall:.0%} of a core, the server {server / wall:.0%} of a core and"
        f" {1000 * server / len(times):.1f} ms a question, batches of {questions / max(1, batches):.1f}",
        flush=True,
    )
    return len(times) / wall


def counts(address) -> list[float]:
    """The seconds of CPU that the server has used, its questions, and its batches."""
    text = get(address, "/metrics")
    names = ("process_cpu_seconds_total", "elq_batch_questions_sum", "elq_batch_questions_count")
    found = [re.search(rf"^{name} (\S+)", text, re.MULTILINE) for name in names]
    return [float(match[1]) if match else 0.0 for match in found]


def get(address, path) -> str:
    request = urllib.request.Request(f"http://{address[0]}:{address[1]}{path}")
    if address[2]:
        request.add_header("Authorization", f"Bearer {address[2]}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


IN_PROCESS = """
import json, sys, time
from elq.threads import prepare
prepare()
from elq import Linker
texts = json.load(sys.stdin)
linker = Linker.from_catalogue()
linker.link(texts[:64])
wall, cpu = time.perf_counter(), time.process_time()
linker.link(texts)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def in_process(texts, number):
    """Questions a second of Linker.link with many questions at once, in a process of its own."""
    many = [text for text, _ in zip(cycle(texts), range(number), strict=False)]
    command = [sys.executable, "-c", IN_PROCESS]
    done = subprocess.run(command, input=json.dumps(many), capture_output=True, text=True, check=True, cwd=ROOT)
    wall, cpu = map(float, done.stdout.split())
    print(f"in-process: {number / wall:.1f} questions/s, CPU {1000 * cpu / number:.1f} ms a question", flush=True)
    return number / wall


def started(arguments):
    """A server with the starter, and its address."""
    command = [sys.executable, "-m", "elq", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    line = process.stderr.readline()
    while line and "ready" not in process.stderr.readline():
        pass
    return process, line.split()[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", help="a server that runs already; by default one is started")
    parser.add_argument("--requests", type=int, default=5000, help="requests at the highest throughput")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rate", type=float, help="questions a second of the second part; by default half of the first")
    parser.add_argument("--seconds", type=float, default=20, help="of the second part")
    parser.add_argument("--in-process", type=int, default=2000, metavar="N", help="questions of the in-process part; 0: none")
    parser.add_argument("--long", type=int, default=0, metavar="N", help="connections that ask long texts in a third part")
    parser.add_argument("server", nargs="*", help="after --: further flags of `elq serve`")
    options = parser.parse_args()
    texts = [json.loads(line)["text"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    batch = in_process(texts, options.in_process) if options.in_process else None
    process, url = (None, options.url) if options.url else started(options.server)
    try:
        host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
        address, token = (host, int(port), os.environ.get("ELQ_TOKEN", "")), os.environ.get("ELQ_TOKEN", "")
        requests = requests_of(texts, token)
        asyncio.run(closed(*address[:2], requests, 200, 8))  # warm up
        name = f"{options.connections} connections"
        most = measured(name, closed(*address[:2], requests, options.requests, options.connections), address)
        if batch:
            print(f"  = {most / batch:.0%} of the in-process throughput", flush=True)
        rate = options.rate or most / 2
        measured(f"{rate:.0f} a second", paced(*address[:2], requests, rate, options.seconds, options.connections), address)
        if options.long:
            run = paced(*address[:2], requests, rate, options.seconds, options.connections)
            run = beside_long_texts(options.long, *address[:2], token, run)
            measured(f"{rate:.0f} a second, beside {options.long} connections with long texts", run, address)
    finally:
        if process is not None:
            process.terminate()
            print("exit code of the server:", process.wait(60))


if __name__ == "__main__":
    main()
