"""What a training step of a trial costs, next to the plain student's.

    python benchmarks/trial_step.py --out step.json              # 20 minutes
    python benchmarks/trial_step.py --quick                                         # one minute
    python benchmarks/trial_step.py --workload coco --device cuda --amp bf16
    python benchmarks/trial_step.py --profile --workload digits

A step is forward, losses, backward and optimizer of one batch that is at hand and preprocessed:
data loading is left out, which is the same for all. The arms (step_arms.py) take turns, in another
order each round, so that a busy machine slows all alike. On the CPU, the time is the process's CPU
time with one torch thread; on a GPU, wall time between two synchronizations. `ratio` is the median
over the rounds of an arm's time per student divided by the plain student's in the same round. Needs
no Ray, no data and no checkpoint. Prints JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import random
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from step_arms import ARMS, BY_DEFAULT, Step
from step_profile import profile
from step_workloads import WORKLOADS, Batch, Workload

from tid_tune.device import pick_device
from tid_tune.openmmlab.setup import prepare

AMP = {"bf16": torch.bfloat16, "fp16": torch.float16}
PLAIN = "plain"
ROUNDS = {"digits": 30, "r18_r50": 5, "r18_r50_b8": 2, "coco": 10}


def measure(work: Workload, names: list[str], rounds: int) -> dict[str, Any]:
    """Return the times of the arms on one workload."""
    steps = {name: ARMS[name].build(work) for name in dict.fromkeys([PLAIN, *names])}
    first = work.make_batch()
    times: dict[str, list[float]] = {name: [] for name in steps}
    memory: dict[str, float] = {}
    order, shuffle = list(steps), random.Random(0)
    for number in range(rounds + 1):
        shuffle.shuffle(order)
        for name in order:
            if work.device != "cpu":
                torch.cuda.reset_peak_memory_stats()
            spent = timed(steps[name], first.again(), work.device)
            if number:  # the first round warms up
                times[name].append(spent / ARMS[name].students)
            if work.device != "cpu":
                memory[name] = torch.cuda.max_memory_allocated() / 2**20
    return {
        "batch": work.batch,
        "image": list(work.size),
        "objects": work.objects,
        "config": work.config,
        "rounds": rounds,
        "arms": {
            name: {
                "students": ARMS[name].students,
                "ms_per_student": round(1000 * statistics.median(times[name]), 2),
                "ratio": round(ratio(times, name), 3),
                **({"peak_gpu_mib": round(memory[name])} if memory else {}),
            }
            for name in steps
        },
    }


def ratio(times: dict[str, list[float]], name: str) -> float:
    return statistics.median(b / a for a, b in zip(times[PLAIN], times[name], strict=True))


def timed(step: Step, batch: Batch, device: str) -> float:
    """Return the seconds of one step."""
    if device == "cpu":
        start = time.process_time()
        step(batch)
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    step(batch)
    torch.cuda.synchronize()
    return time.perf_counter() - start


def machine(device: str) -> dict[str, Any]:
    """Return what the times depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), None)
    capability = torch.backends.cpu.get_cpu_capability()
    bfloat16 = any("avx512_bf16" in line or "amx_bf16" in line for line in lines)
    return {
        "torch": torch.__version__,
        "device": device if device == "cpu" else torch.cuda.get_device_name(),
        "cpu": model or platform.processor(),
        "cores": os.cpu_count(),
        "vector_instructions": capability,
        "bfloat16_instructions": bfloat16,
        "torch_threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS))
    parser.add_argument("--arm", action="append", choices=list(ARMS), help="default: all")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument("--amp", choices=list(AMP), help="mixed precision of the student")
    parser.add_argument("--batch", type=int, help="images per step; default: the workload's")
    parser.add_argument("--rounds", type=int, help="default: more for shorter steps")
    parser.add_argument("--quick", action="store_true", help="the digits, three rounds")
    parser.add_argument("--profile", action="store_true", help="the parts of one arm's step")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    device = str(pick_device(options.device))
    if device == "cpu":
        torch.set_num_threads(1)
    prepare()
    found: dict[str, Any] = {"setup": {**machine(device), "amp": options.amp}, "workloads": {}}
    for name in options.workload or (["digits"] if options.quick else BY_DEFAULT):
        changes = {"device": device, "precision": AMP.get(options.amp)}
        work = dataclasses.replace(WORKLOADS[name], **changes)
        work = dataclasses.replace(work, batch=options.batch or work.batch)
        rounds = options.rounds or (3 if options.quick else ROUNDS[name])
        if options.profile:
            found["workloads"][name] = profile(work, rounds, (options.arm or ["tid"])[0])
        else:
            found["workloads"][name] = measure(work, options.arm or list(ARMS), rounds)
    text = json.dumps(found, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
