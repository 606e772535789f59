#!/usr/bin/env python3
"""Runs the steps of the Dockerfile without a container engine, and then the image's program.

Each stage is a directory below target/image. COPY copies, obeying .dockerignore; RUN runs the same command, in the
stage's WORKDIR, with this machine's toolchain in place of the base image's: so RUN lines must use relative paths, and
the contents of the base images are assumed, except for the libraries of the last one, which are checked by name. Since
a release build takes long, the default is a build without optimisation that reuses former output; `--full` makes a
release build from scratch."""

import argparse
import fnmatch
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRATCH = ROOT / "target" / "image"
KEPT = ROOT / "target" / "image-target"
QUICK = {"OPT_LEVEL": "0", "LTO": "off", "CODEGEN_UNITS": "256"}
# those in gcr.io/distroless/cc-debian12
LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def instructions(text):
    """(line number, keyword, arguments) of each instruction, with continued lines joined."""
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not pending and not line.strip()):
            continue
        start = start if pending else number
        pending += line.removesuffix("\\").strip() + " "
        if not line.endswith("\\"):
            keyword, _, arguments = pending.strip().partition(" ")
            yield start, keyword, arguments.strip()
            pending = ""


def context():
    """The files of the build context: all that .dockerignore does not exclude, by its last matching line."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    for name in output("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        parts = pathlib.PurePosixPath(name)
        prefixes = [str(parts), *map(str, parts.parents)][:-1]
        sent = True
        for rule in rules:
            if any(fnmatch.fnmatch(prefix, rule.removeprefix("!").rstrip("/")) for prefix in prefixes):
                sent = rule.startswith("!")
        if sent and (ROOT / name).is_file():
            yield name


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


class Stage:
    """A FROM and the instructions after it."""

    def __init__(self, name, base, environment):
        self.name, self.base, self.root = name, base, SCRATCH / name
        self.workdir, self.arguments, self.settings = pathlib.PurePosixPath("/"), {}, {}
        self.environment = dict(environment)

    def path(self, path):
        return self.root / str(self.workdir / path).lstrip("/")

    def copy(self, arguments, stages, files):
        *sources, target = shlex.split(arguments)
        origin = stages[sources.pop(0).removeprefix("--from=")].path if arguments.startswith("--from=") else None
        for source in sources:
            if origin:
                files = [str(path.relative_to(origin("."))) for path in origin(source).rglob("*") if not path.is_dir()]
                source = str(origin(source).relative_to(origin(".")))
            # the contents of a directory, or a file under its own name
            inside = [name for name in files if name.startswith(f"{source}/")]
            own = pathlib.PurePosixPath(source).name if target.endswith("/") else "."
            found = {name: name.removeprefix(f"{source}/") for name in inside} or dict.fromkeys({source} & {*files}, own)
            if not found:
                sys.exit(f"COPY {source}: the build context has no such file: see .dockerignore")
            for name, there in found.items():
                to = self.path(target) / there
                to.parent.mkdir(parents=True, exist_ok=True)
                to.unlink(missing_ok=True)
                shutil.copy2((origin or ROOT.joinpath)(name), to, follow_symlinks=False)

    def run(self, command):
        if re.search(r"(?<![\w.])/\w", command):
            sys.exit(f"RUN {command}: an absolute path, which this script cannot redirect")
        print(f"   $ {command}", flush=True)
        environment = {**os.environ, **self.environment}
        shell = subprocess.Popen(
            ["sh", "-ec", command], cwd=self.path("."), env=environment, stderr=subprocess.PIPE, text=True
        )
        said = [sys.stderr.write(line) and line for line in shell.stderr]
        if shell.wait() != 0:
            sys.exit(f"RUN ended with {shell.returncode}")
        return re.findall(r"^ *Compiling (\S+)", "".join(said), re.M)


def build(environment, keep):
    """The stages by name, `image` the last, and the crates that each RUN has compiled."""
    stages, stage, defaults, compiled = {}, None, {}, []
    files = list(context())
    for number, keyword, arguments in instructions((ROOT / "Dockerfile").read_text()):
        known = {**defaults, **(stage.arguments if stage else {})}
        arguments = re.sub(r"\$\{(\w+)\}", lambda name: known[name[1]], arguments) if keyword != "RUN" else arguments
        print(f"{number:>3}: {keyword} {arguments}", flush=True)
        match keyword:
            case "ARG":
                name, _, value = arguments.partition("=")
                (stage.arguments if stage else defaults)[name] = value
            case "FROM":
                base, *rest = arguments.split()
                stage = Stage(rest[1] if rest else "image", base, environment)
                stages[stage.name] = stage
                stage.root.mkdir(parents=True, exist_ok=True)
            case "WORKDIR":
                stage.workdir /= arguments
                stage.path(".").mkdir(parents=True, exist_ok=True)
                if keep:
                    stage.path("target").symlink_to(KEPT)
            case "COPY":
                stage.copy(arguments, stages, files)
            case "RUN":
                compiled.append(stage.run(arguments))
            case "ENV":
                name, _, value = arguments.partition("=")
                stage.environment.setdefault(name, value)
            case "LABEL" | "USER" | "EXPOSE" | "HEALTHCHECK" | "ENTRYPOINT":
                stage.settings[keyword] = arguments
            case _:
                sys.exit(f"line {number}: this script does not support {keyword}: add it")
    check_bases([stage.base for stage in stages.values() if stage.base != "scratch"])
    return stages, compiled


def check_bases(bases):
    """Build and base image must have the same C library: a program linked against a newer one does not start."""
    assert [base.rsplit("-", 1)[1] for base in bases] == ["bookworm", "debian12:nonroot"], f"{bases}: both must be the same Debian"


def check_toolchain(full):
    wanted = re.search(r"^ARG RUST_VERSION=(\S+)", (ROOT / "Dockerfile").read_text(), re.M)[1]
    least = re.search(r'^rust-version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    number = lambda text: tuple(map(int, text.split(".")[:2]))
    assert number(wanted) >= number(least), f"the image builds with Rust {wanted}, and Cargo.toml asks for {least}"
    form = "a release build" if full else "compiled without optimisation"
    print(f"Rust {output('rustc', '--version').split()[1]} here, {wanted} in the image; {form}")


def check_image(image):
    """The stage contains the program and its link only, and the base has every library that they need."""
    held = sorted(str(path.relative_to(image.root)) for path in image.root.rglob("*") if not path.is_dir())
    assert held == ["bin/ratelimit", "bin/tollgate"], held
    assert os.readlink(image.root / "bin/ratelimit") == "tollgate"
    program = image.root / "bin/tollgate"
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", output("readelf", "--dynamic", program)))
    assert needed <= LIBRARIES, f"{image.base} has no {needed - LIBRARIES}"
    assert image.settings["USER"] == "65534:65534", image.settings
    size = program.stat().st_size / 2**20
    print(f"the image adds {size:.0f} MiB to {image.base}; it links {', '.join(sorted(needed))}")


def check_debug(image, debug):
    """The program names its functions, and finds the lines in the file of the `debug` stage, beside it or mounted."""
    held = [str(path.relative_to(debug.root)) for path in debug.root.rglob("*") if not path.is_dir()]
    assert held == ["tollgate.debug"], held
    program = image.root / "bin/tollgate"
    sections = output("readelf", "--wide", "--sections", program)
    assert ".gnu_debuglink" in sections and ".debug_line" not in sections, sections
    symbols = output("nm", "--demangle", program)
    address = re.search(r"^([0-9a-f]+) [tT] tollgate::main$", symbols, re.M)
    assert address, "a backtrace has no names of functions"
    with tempfile.TemporaryDirectory() as root:
        copy = shutil.copy2(program, root)
        line = lambda: output("addr2line", f"--exe={copy}", address[1]).strip()
        assert line().startswith("??:"), f"{line()}, without the debug file"
        shutil.copy2(debug.root / held[0], root)
        # follows .gnu_debuglink, and minds its checksum
        found = line()
    assert re.search(r"src/main\.rs:[1-9]", found), f"main is at {found}"
    print(f"with {held[0]} beside it, a backtrace has lines: main is at {found}")


def free_port(held=[]):
    """A port that the kernel gives to no other process, as a socket stays bound to it. A listener with SO_REUSEADDR can
    use it."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    held.append(holder)
    return str(holder.getsockname()[1])


def check_program(image):
    """The program serves as /bin/ratelimit with the image's user, and HEALTHCHECK reports whether it does."""
    with tempfile.TemporaryDirectory() as root:
        # readable by any user, which the directory of the sources may not be
        shutil.copytree(image.root, root, symlinks=True, dirs_exist_ok=True)
        shutil.copytree(ROOT / "config/rules", f"{root}/rules")
        os.chmod(root, 0o755)
        serve_and_ask(image.settings, pathlib.Path(root))


def serve_and_ask(settings, root):
    inside = lambda command: [str(root / command[0].lstrip("/")), *command[1:]]
    assert json.loads(settings["ENTRYPOINT"]) == ["/bin/tollgate"], "manifests give the program its arguments only"
    probe = inside(json.loads(settings["HEALTHCHECK"].partition("CMD ")[2]))
    ports = {name: free_port() for name in ("PORT", "GRPC_PORT", "DEBUG_PORT")}
    environment = {"HOST": "127.0.0.1", "USE_PROMETHEUS": "false", "RULES": str(root / "rules"), **ports}
    ask = lambda: subprocess.run(probe, env=environment, capture_output=True, text=True)
    assert ask().returncode == 1, "nothing serves yet"
    user = settings["USER"].split(":")
    become = ["setpriv", f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups", "--no-new-privs", "--"]
    root_here = os.geteuid() == 0
    command = [*(become if root_here else []), *inside(["/bin/ratelimit"])]
    serving = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, cwd="/")
    try:
        for _ in range(600):
            answer = ask()
            if answer.returncode == 0 or serving.poll() is not None:
                break
            time.sleep(0.1)
        assert answer.returncode == 0, answer.stderr
    finally:
        serving.terminate()
    assert serving.wait(timeout=120) == 0, "SIGTERM ends it with success"
    assert ask().returncode == 1, "it is gone"
    who = f"as user {user[0]}" if root_here else f"not as user {user[0]}, for this is not root"
    print(f"it serves as /bin/ratelimit, {who}: HEALTHCHECK returned 1, then 0, and 1 after its end")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the release build, from nothing")
    full = parser.parse_args().full
    shutil.rmtree(SCRATCH, ignore_errors=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    check_toolchain(full)
    environment = {} if full else {f"CARGO_PROFILE_RELEASE_{name}": value for name, value in QUICK.items()}
    # the caller's environment must not change the build
    environment |= {"CARGO_TARGET_DIR": "target", "CARGO_TERM_COLOR": "never"}
    stages, compiled = build(environment, keep=not full)
    image = stages["image"]
    members = {"tollgate", *(path.name for path in (ROOT / "crates").iterdir())}
    again = set(compiled[-1])
    assert "tollgate" in again <= members, f"the layer of dependencies is not reused: {again - members} were compiled again"
    check_image(image)
    check_debug(image, stages["debug"])
    check_program(image)


if __name__ == "__main__":
    main()
