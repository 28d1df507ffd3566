"""A Hub on this machine: it answers what huggingface_hub asks for to make a repository, commit to it and download from it."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from tests.web import running

LARGE = (".safetensors", ".npy", ".arrow")  # stored by their sha256 (LFS), as the Hub does with such files
OWNER, READER = "hf_owner", "hf_reader"  # the tokens: of the owner "user", and of somebody else


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Commit:
    id: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repo:
    private: bool
    branches: dict[str, Commit] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)

    def commit(self, branch: str, message: str, files: dict[str, bytes]) -> Commit:
        digest = hashlib.sha1(repr((len(self.commits), message, sorted(files))).encode()).hexdigest()
        self.branches[branch] = self.commits[digest] = Commit(digest, message, files)
        return self.branches[branch]

    def at(self, revision: str) -> Commit | None:
        return self.branches.get(revision) or self.commits.get(revision)


@dataclass
class Hub:
    """The repositories and large files, what was asked, and answers that a test has ordered: path → status and headers."""

    repos: dict[str, Repo] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    uploaded: list[str] = field(default_factory=list)  # the files of the last commit that were sent, and those deleted
    refused: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    stall: bool = False  # whether large files are received and never answered
    stalled: threading.Event = field(default_factory=threading.Event)
    before_commit: list[str] = field(default_factory=list)  # repositories that somebody else changes just before a commit
    url: str = ""

    def empty(self) -> None:
        """Forget everything but the address."""
        self.__init__(url=self.url)  # type: ignore[misc]

    @property
    def store(self) -> str:
        """Large files lie on another host, as those of the Hub do."""
        return self.url.replace("127.0.0.1", "localhost")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_):
        pass

    @property
    def token(self) -> str:
        return (self.headers["Authorization"] or "").removeprefix("Bearer ")

    def respond(self):
        path = unquote(urlsplit(self.path).path)
        size = int(self.headers["Content-Length"] or 0)
        body = b"".join(self.chunks()) if self.headers["Transfer-Encoding"] == "chunked" else self.rfile.read(size)
        self.hub.asked.append(f"{self.command} {path}")
        if ordered := next((answer for start, answer in self.hub.refused.items() if path.startswith(start)), None):
            return self.answer(ordered[0], b"{}", ordered[1])
        if self.token not in ("", OWNER, READER):
            return self.answer(401, b"{}", {"X-Error-Message": "Invalid credentials in Authorization header"})
        for pattern, method in (
            (r"PUT /large/(.+)", self.put_large),
            (r"(?:GET|HEAD) /large/(.+)", self.get_large),
            (r"POST /api/repos/create", self.create),
            (r"POST /api/validate-yaml", lambda _: self.answer_json({"errors": [], "warnings": []})),
            (r"POST /api/models/(\w+/\w+)/branch/(\w+)", self.branch),
            (r"POST /api/models/(\w+/\w+)/preupload/(\w+)", self.preupload),
            (r"POST /api/models/(\w+/\w+)/commit/(\w+)", self.commit),
            (r"POST /(\w+/\w+).git/info/lfs/objects/batch", self.batch),
            (r"GET /api/models/(\w+/\w+)(?:/revision/(\w+))?", self.info),
            (r"GET /api/models/(\w+/\w+)/tree/(\w+)", self.tree),
            (r"(?:GET|HEAD) /(\w+/\w+)/resolve/(\w+)/(.+)", self.resolve),
        ):
            if found := re.fullmatch(pattern, f"{self.command} {path}"):
                return method(body, *found.groups())
        return self.answer(404, b"{}")

    def do_GET(self):
        self.respond()

    def do_HEAD(self):
        self.respond()

    def do_POST(self):
        self.respond()

    def do_PUT(self):
        self.respond()

    def chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value: object, status: int = 200):
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def may_write(self, name: str) -> bool:
        if self.token == OWNER and name.startswith("user/"):
            return True
        self.answer(403 if self.token else 401, b"{}", {"X-Error-Message": "no right to write"})
        return False

    def repo(self, name: str) -> Repo | None:
        found = self.hub.repos.get(name)
        if found is None or (found.private and self.token != OWNER):
            self.answer(404 if self.token else 401, b"{}", {"X-Error-Code": "RepoNotFound"})
            return None
        return found

    def commit_of(self, name: str, revision: str | None) -> tuple[Repo, Commit] | None:
        if (repo := self.repo(name)) is None:
            return None
        if (found := repo.at(revision or "main")) is None:
            self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return None
        return repo, found

    def create(self, body):
        asked = json.loads(body)
        name = f"{asked['organization'] or 'user'}/{asked['name']}"
        if self.may_write(name):
            fresh = name not in self.hub.repos
            if fresh:
                repo = self.hub.repos[name] = Repo(private=asked.get("visibility") == "private")
                repo.commit("main", "initial commit", {".gitattributes": b"*.npy filter=lfs\n"})
            self.answer_json({"url": f"{self.hub.url}/{name}"}, 200 if fresh else 409)

    def branch(self, body, name, branch):
        repo = self.hub.repos[name]
        if self.may_write(name):
            fresh = branch not in repo.branches
            repo.branches.setdefault(branch, repo.branches["main"])
            self.answer_json({}, 200 if fresh else 409)

    def preupload(self, body, name, revision):
        if not self.may_write(name):
            return
        old = self.hub.repos[name].branches[revision].files
        modes = []
        for file in json.loads(body)["files"]:
            large, known = file["path"].endswith(LARGE), old.get(file["path"])
            oid = known if known is None else hashlib.sha256(known).hexdigest() if large else git_hash(known)
            modes.append({"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid})
        self.answer_json({"files": modes})

    def batch(self, body, name):
        if self.may_write(name):
            objects = json.loads(body)["objects"]
            for each in objects:
                if each["oid"] not in self.hub.large:
                    each["actions"] = {"upload": {"href": f"{self.hub.url}/large/{each['oid']}"}}
            self.answer_json({"transfer": "basic", "objects": objects})

    def put_large(self, body, oid):
        if self.hub.stall:
            self.hub.stalled.set()
            threading.Event().wait(60)  # until the client is gone
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.large[oid] = body
        self.answer(200, b"")

    def get_large(self, body, oid):
        self.answer(200, self.hub.large[oid])

    def commit(self, body, name, revision):
        if not self.may_write(name):
            return
        repo = self.hub.repos[name]
        if name in self.hub.before_commit:
            repo.commit(revision, "by somebody else", repo.branches[revision].files)
        header, *operations = [json.loads(line) for line in body.splitlines()]
        if header["value"].get("parentCommit", repo.branches[revision].id) != repo.branches[revision].id:
            return self.answer(412, b"{}", {"X-Error-Message": "The expected parent commit differs"})
        files, changed = dict(repo.branches[revision].files), []
        for operation in operations:
            kind, value = operation["key"], operation["value"]
            changed.append(("- " if kind == "deletedFile" else "") + value["path"])
            if kind == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif kind == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            else:
                del files[value["path"]]
        self.hub.uploaded = changed
        made = repo.commit(revision, header["value"]["summary"], files)
        self.answer_json({"commitUrl": f"{self.hub.url}/{name}/commit/{made.id}", "commitOid": made.id})

    def info(self, body, name, revision):
        if found := self.commit_of(name, revision):
            repo, commit = found
            files = [{"rfilename": file} for file in commit.files]
            self.answer_json({"id": name, "sha": commit.id, "private": repo.private, "siblings": files})

    def tree(self, body, name, revision):
        if found := self.commit_of(name, revision):
            entries = []
            for path, content in found[1].files.items():
                entry = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
                if path.endswith(LARGE):
                    entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
                entries.append(entry)
            self.answer_json(entries)

    def resolve(self, body, name, revision, path):
        if not (found := self.commit_of(name, revision)):
            return
        if (content := found[1].files.get(path)) is None:
            return self.answer(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        headers = {"X-Repo-Commit": found[1].id}
        if not path.endswith(LARGE):
            return self.answer(200, content, {**headers, "ETag": f'"{git_hash(content)}"'})
        oid = hashlib.sha256(content).hexdigest()
        linked = {"X-Linked-ETag": f'"{oid}"', "X-Linked-Size": str(len(content)), "Location": f"{self.hub.store}/large/{oid}"}
        return self.answer(302, b"", headers | linked)


@contextmanager
def serving() -> Iterator[Hub]:
    """A running Hub without repositories."""
    hub = Hub()
    with running(Handler, hub=hub) as hub.url:
        yield hub
