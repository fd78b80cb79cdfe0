"""What machine this is, and how one installs something on it.  Runs on any Python."""
import os
import platform
import sys

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
CPUINFO = "/proc/cpuinfo"
# Lines of it that say which instructions there are: x86, then ARM, RISC-V and POWER.
INSTRUCTIONS = ("flags", "model name", "Features", "CPU implementer", "CPU part", "isa", "cpu\t")
# How one installs a C++ compiler, what it links with, Python's headers, and a BLAS for GPUs.  %(python)s is 3.12 or so.
COMMANDS = {
    "conda": {"compiler": "conda install -c conda-forge gxx", "headers": "conda install python=%(python)s",
              "clblast": "conda install -c conda-forge clblast"},
    "debian": {"compiler": "apt-get install g++ python%(python)s-dev",
               "headers": "apt-get install python%(python)s-dev",
               "linker": "apt-get install --reinstall g++ binutils", "clblast": "apt-get install libclblast-dev"},
    "fedora": {"compiler": "dnf install gcc-c++ python%(python)s-devel",
               "headers": "dnf install python%(python)s-devel",
               "linker": "dnf reinstall gcc-c++ binutils", "clblast": "dnf install clblast-devel"},
    "suse": {"compiler": "zypper install gcc-c++ python3-devel", "headers": "zypper install python3-devel",
             "linker": "zypper install --force gcc-c++ binutils"},
    "arch": {"compiler": "pacman -S gcc", "headers": "pacman -S python", "linker": "pacman -S gcc binutils",
             "clblast": "pacman -S clblast"},
    "alpine": {"compiler": "apk add g++ python3-dev", "headers": "apk add python3-dev",
               "linker": "apk fix g++ binutils musl-dev"},
    "macos": {"compiler": "xcode-select --install", "headers": "brew install python@%(python)s",
              "clblast": "brew install clblast"},
    "windows": {"compiler": "put the g++ of MinGW-w64 on PATH, or work in WSL (wsl --install)",
                "headers": "install Python from python.org, or work in WSL (wsl --install)"},
    "linux": {"compiler": "install g++ and the headers of Python %(python)s with this system's package manager",
              "headers": "install the headers of Python %(python)s with this system's package manager",
              "linker": "install g++ and binutils again with this system's package manager",
              "clblast": "install CLBlast with its headers"},
}
SAME_AS = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "amzn": "fedora", "sles": "suse",
           "opensuse": "suse"}


def family():
    """A key of COMMANDS: whose package manager this machine has."""
    if platform.system() == "Darwin":
        return "macos"
    if platform.system() != "Linux":  # also MSYS and Cygwin
        return "windows"
    if os.environ.get("CONDA_PREFIX") == sys.prefix:
        return "conda"
    known = [SAME_AS.get(name, name) for name in _distributions()]
    return next((name for name in known if name in COMMANDS), "linux")


def install(what):
    """The command that installs the "compiler", "linker", "headers" or "clblast" on this machine."""
    commands = COMMANDS[family()]
    return commands.get(what, commands["compiler"]) % {"python": "%d.%d" % tuple(sys.version_info[:2])}


def processor():
    """What compiled code may depend on where it uses all that the processor can, as text."""
    try:
        with open(CPUINFO, errors="replace") as file:
            lines = sorted({line for line in file if line.startswith(INSTRUCTIONS)})
    except OSError:
        lines = []
    return platform.machine() + "\n" + ("".join(lines) or platform.processor())


def _distributions():
    """["ubuntu", "debian"]: this Linux, then those that it is like."""
    for path in OS_RELEASE:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                fields = dict(line.strip().split("=", 1) for line in file if "=" in line)
        except OSError:
            continue
        return " ".join(fields.get(key, "").strip("\"'") for key in ("ID", "ID_LIKE")).lower().split()
    return []
