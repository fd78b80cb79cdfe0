"""The tables that bench/train_speed.py prints."""
from measure import machine
from tables import shown, table
from train_modes import MODES, NETS, PREDICTED, RATIOS


def compare(bench, title, rows, digits):
    """A table of `rows` {label: (what, net)} by mode, and the ratios."""
    modes = bench.options.modes
    body = []
    for label, key in rows.items():
        found = {mode: bench.median(*key, mode) for mode in MODES}
        cells = [shown(found[mode], digits) for mode in modes]
        for mine, others in RATIOS.values():
            others = [found[mode] for mode in others if found[mode]]
            cells.append(shown(found[mine] / min(others) if found[mine] and others else None, 3))
        body.append([label, *cells])
    table([title, *(MODES[mode].label for mode in modes), *RATIOS], body)


def report(bench):
    options = bench.options
    nets = {net: NETS[net] for net in options.nets}
    print(f"{options.rows} rows, batch 128, medians of {options.rounds} round{'s' * (options.rounds > 1)}; {machine()}")
    for mode, version in bench.versions.items():
        print(f"- {MODES[mode].label}: {version}")
    if "train" in options.parts:
        compare(bench, "seconds an epoch", {label: ("epoch", net) for net, label in nets.items()}, 3)
        compare(bench, "peak memory, MB", {label: ("memory", net) for net, label in nets.items()}, 0)
        compare(bench, "prediction of 1,783 faces, s",
                {label: ("predict", net) for net, label in nets.items() if net in PREDICTED}, 3)
    if "start" in options.parts:
        compare(bench, "start, net4", {f"{kind}, s": (f"start {kind}", "4") for kind in ("cold", "warm")}, 1)
    if "script" in options.parts:
        table(["python net4.py", "peak memory, MB"],
              [[MODES[mode].label, shown(bench.median("script", "4", mode), 0)] for mode in bench.own_modes()])
    if "growth" in options.parts:
        report_growth(bench)
    if "ops" in options.parts:
        report_ops(bench, nets)


def report_growth(bench):
    for mode in bench.own_modes():
        first = bench.options.growth[0]
        base, body = bench.median("growth", str(first * bench.options.rows), mode), []
        for times in bench.options.growth:
            rows = str(times * bench.options.rows)
            seconds = bench.median("growth", rows, mode)
            relative = seconds / base * first / times if seconds and base else None
            body.append([rows, shown(seconds, 2), shown(relative, 2),
                         shown(bench.median("growth memory", rows, mode), 0)])
        table([f"net4, {MODES[mode].label}: rows", "seconds an epoch", "per row, relative", "peak memory, MB"], body)


def report_ops(bench, nets, most=12):
    for net, label in nets.items():
        for mode in bench.options.modes:
            shares = bench.results.get(("ops", net, mode))
            if shares:
                table([f"{label}, {MODES[mode].label}: Op", "share of the epoch"],
                      [[name.replace("|", "\\|")[:80], f"{share:.1%}"] for name, share in
                       sorted(shares.items(), key=lambda item: -item[1])[:most]])
