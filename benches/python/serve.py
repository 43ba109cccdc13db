"""One candidate as a long-lived process: a JSON object a line in, one a line out.

    {"command": "load", "candidate": "jax-batch/newton", "job": {...}}    reads the games
    {"command": "run", "seconds": 0.5, "limit": 60}                       passes over them, timed

A run repeats passes until `seconds` are over; each pass ends within about `limit` seconds, leaving games unsolved if it
must. Times are seconds a pass and include the candidate's own certificate. What is reported as solved is certified once
more afterwards, untimed, from the policies of the last pass. The end of the input ends the process.
"""

import json
import sys
import time

import numpy as np

from job import Job, prepare


def run(solve, job, seconds, limit):
    """The reply to a run."""
    passes, cpu, wall = 0, time.process_time(), time.perf_counter()
    while True:
        log_policies, _ = solve(time.monotonic() + limit)
        passes += 1
        spent = time.perf_counter() - wall
        if spent >= seconds:
            break
    cpu = time.process_time() - cpu
    gaps = job.certify(log_policies)
    return {
        "wall": spent / passes,
        "cpu": cpu / passes,
        "games": len(gaps),
        "solved": int(np.sum(gaps <= job.tolerance)),
        "gap": float(gaps.max()) if np.all(np.isfinite(gaps)) else None,
    }


def main():
    solve = job = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "load":
            job = Job.read(request["job"])
            solve = prepare(request["candidate"], job)
            reply = {}
        elif request["command"] == "run":
            reply = run(solve, job, request["seconds"], request["limit"])
        else:
            raise ValueError(f"there is no command {request['command']}")
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
