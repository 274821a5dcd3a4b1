"""PyTorch's side of `recurrent_step.py`; runs in the peers' environment, which has no TensorFlow.

Arguments: windows, steps of a history, columns, units, training steps. Prints the smallest milliseconds by cell.
"""

import json
import sys
import time

import torch


def main() -> None:
    """Measure and print."""
    windows, history, columns, units, steps = map(int, sys.argv[1:])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    inputs = torch.randn(windows, history, columns, device=device)
    measured = {}
    for name, kind in (("gru", torch.nn.GRU), ("lstm", torch.nn.LSTM)):
        layer = kind(columns, units, batch_first=True).to(device)
        times = []
        for _ in range(steps + 2):
            began = time.perf_counter()
            layer.zero_grad()
            outputs, _ = layer(inputs)
            outputs[:, -1].square().mean().backward()
            layer.weight_hh_l0.grad.cpu()  # waits for a GPU
            times.append(time.perf_counter() - began)
        measured[name] = min(times[2:]) * 1e3
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
