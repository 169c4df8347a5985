"""One process, one digit model, over Open Inference Protocol v2 (REST).

    /usr/bin/python3 serve.py --model svc [--fault swap-classes] --port 0 [--ready-fd N]

Once the model is fitted and the socket listens, "PORT\\n" goes to file
descriptor N (stdout without it). Numbers leave as the shortest text that reads
back as the same double, so probabilities survive JSON bit for bit.
"""

import argparse
import json
import math
import os
import socket

import fastapi
import numpy as np
import uvicorn

import models

NAME = "digits"
PIXELS = 64
CLASSES = 10


class BadRequest(Exception):
    """The client's fault; the message is sent back as {"error": …} with 400."""


def answer(value, status=200):
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return fastapi.Response(text, status_code=status, media_type="application/json")


def rows_of(body):
    """The [n, 64] input, from flat or nested data."""
    try:
        tensor = body["inputs"][0]
        shape, datatype = tensor["shape"], tensor["datatype"]
        data = np.asarray(tensor["data"], dtype=np.float64).ravel()
    except (KeyError, IndexError, TypeError, ValueError) as e:
        raise BadRequest(f"inputs[0] needs name, shape, datatype and numeric data ({e})")
    if datatype not in ("FP64", "FP32"):
        raise BadRequest(f"datatype {datatype} is not FP64")
    if len(shape) != 2 or shape[1] != PIXELS or shape[0] < 1 or math.prod(shape) != data.size:
        raise BadRequest(f"shape {shape} with {data.size} values is not [n,{PIXELS}]")
    if not np.isfinite(data).all():
        raise BadRequest("data holds a number that is not finite")
    return data.reshape(shape)


def make_app(kind, fault):
    app = fastapi.FastAPI(openapi_url=None)
    model = models.fit(kind)

    @app.get("/v2/health/live")
    @app.get("/v2/health/ready")
    @app.get(f"/v2/models/{NAME}/ready")
    async def ready():
        return answer({"ready": True})

    @app.get(f"/v2/models/{NAME}")
    async def metadata():
        return answer({
            "name": NAME, "versions": [kind], "platform": "sklearn",
            "inputs": [{"name": "pixels", "datatype": "FP64", "shape": [-1, PIXELS]}],
            "outputs": [{"name": "probabilities", "datatype": "FP64", "shape": [-1, CLASSES]}],
        })

    @app.post(f"/v2/models/{NAME}/infer")
    async def infer(request: fastapi.Request):
        try:
            body = json.loads(await request.body())
            p = models.probabilities(model, rows_of(body), fault)
        except (ValueError, BadRequest) as e:
            return answer({"error": str(e)}, 400)
        out = {"model_name": NAME, "model_version": kind}
        if "id" in body:
            out["id"] = body["id"]
        out["outputs"] = [{"name": "probabilities", "datatype": "FP64",
                           "shape": list(p.shape), "data": p.ravel().tolist()}]
        return answer(out)

    return app


def main():
    args = argparse.ArgumentParser(description="serve one digit model")
    args.add_argument("--model", required=True, choices=models.MODELS)
    args.add_argument("--fault", choices=models.FAULTS)
    args.add_argument("--port", type=int, default=0)
    args.add_argument("--ready-fd", type=int, default=1)
    args = args.parse_args()

    app = make_app(args.model, args.fault)
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", args.port))
    listener.listen(256)
    os.write(args.ready_fd, b"%d\n" % listener.getsockname()[1])
    if args.ready_fd > 2:
        os.close(args.ready_fd)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=75)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
