"""What a benchmark says of the machine it ran on, and its arguments: one place for run.py and server.py."""
import argparse
import os
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORES = len(os.sched_getaffinity(0))


def cpu():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown CPU")


def stolen_s():
    """Seconds that other guests took so far (/proc/stat)."""
    with open("/proc/stat", encoding="ascii") as stat:
        return int(stat.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def arguments(doc, parts, csv_name):
    """--build, --csv (filled in) and parts (empty: none was chosen)."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.path.join(ROOT, "build"))
    p.add_argument("--csv", default=None, help=f"default: BUILD/{csv_name}")
    p.add_argument("part", nargs="*", choices=[*parts, []], default=[])
    a = p.parse_args()
    a.csv = a.csv or os.path.join(a.build, csv_name)
    return a


class Watch:
    """Tells of the load at the beginning and of stolen time at the end, and warns of either."""

    def __init__(self):
        self.load, self.start, self.stolen = os.getloadavg()[0], time.time(), stolen_s()

    def begin(self, more=""):
        print(f"{cpu()}, {CORES} cores; {more}{time.strftime('%Y-%m-%d')}; load {self.load:.2f}")
        if self.load > 0.5:
            print("WARNING: something else is running; these figures will be worse than they are")

    def end(self, csv):
        took, stolen = time.time() - self.start, stolen_s() - self.stolen
        print(f"\n{took:.0f} s; {stolen:.1f} s stolen by other guests; every measurement in {os.path.relpath(csv)}")
        if stolen > 0.02 * took:
            print("WARNING: the machine was shared; repeat this")
