"""The Open Inference Protocol over gRPC for the scenarios: messages without a protobuf compiler, servers with the
demo's digit models, clients. Needs Debian's python3-grpcio, python3-protobuf and python3-sklearn."""
import concurrent.futures, os, struct, subprocess, sys
import grpc
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

F = descriptor_pb2.FieldDescriptorProto
ONE, MANY = F.LABEL_OPTIONAL, F.LABEL_REPEATED
NAME, PIXELS, CLASSES = "digits", 64, 10
SERVICE = "inference.GRPCInferenceService"
OPTIONS = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]


def _message(to, name, fields, maps=()):
    """fields: (number, name, type or ".message", label)"""
    m = to.add(name=name)
    for number, field, kind, label in fields:
        f = m.field.add(name=field, number=number, label=label)
        if isinstance(kind, str):
            f.type, f.type_name = F.TYPE_MESSAGE, f".inference.{kind}"
        else:
            f.type = kind
    for number, field in maps:
        entry = m.nested_type.add(name=field.capitalize() + "Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=ONE, type=F.TYPE_STRING)
        entry.field.add(name="value", number=2, label=ONE, type=F.TYPE_MESSAGE, type_name=".inference.InferParameter")
        m.field.add(name=field, number=number, label=MANY, type=F.TYPE_MESSAGE, type_name=f".inference.{name}.{entry.name}")
    return m


def _pool():
    """Numbers as in open_inference_grpc.proto and, of the wrapped answer, Triton's grpc_service.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="inference.proto", package="inference", syntax="proto3")
    add = file.message_type
    p = _message(add, "InferParameter", [(1, "bool_param", F.TYPE_BOOL, ONE), (2, "int64_param", F.TYPE_INT64, ONE), (3, "string_param", F.TYPE_STRING, ONE),
                                         (4, "double_param", F.TYPE_DOUBLE, ONE), (5, "uint64_param", F.TYPE_UINT64, ONE)])
    p.oneof_decl.add(name="parameter_choice")
    for f in p.field:
        f.oneof_index = 0
    _message(add, "InferTensorContents", [(1, "bool_contents", F.TYPE_BOOL, MANY), (2, "int_contents", F.TYPE_INT32, MANY), (3, "int64_contents", F.TYPE_INT64, MANY),
                                          (4, "uint_contents", F.TYPE_UINT32, MANY), (5, "uint64_contents", F.TYPE_UINT64, MANY), (6, "fp32_contents", F.TYPE_FLOAT, MANY),
                                          (7, "fp64_contents", F.TYPE_DOUBLE, MANY), (8, "bytes_contents", F.TYPE_BYTES, MANY)])
    for tensor in ("InferInputTensor", "InferOutputTensor"):
        _message(add, tensor, [(1, "name", F.TYPE_STRING, ONE), (2, "datatype", F.TYPE_STRING, ONE), (3, "shape", F.TYPE_INT64, MANY), (5, "contents", "InferTensorContents", ONE)],
                 [(4, "parameters")])
    _message(add, "InferRequestedOutputTensor", [(1, "name", F.TYPE_STRING, ONE)], [(2, "parameters")])
    head = [(1, "model_name", F.TYPE_STRING, ONE), (2, "model_version", F.TYPE_STRING, ONE), (3, "id", F.TYPE_STRING, ONE)]
    _message(add, "ModelInferRequest", head + [(5, "inputs", "InferInputTensor", MANY), (6, "outputs", "InferRequestedOutputTensor", MANY), (7, "raw_input_contents", F.TYPE_BYTES, MANY)],
             [(4, "parameters")])
    _message(add, "ModelInferResponse", head + [(5, "outputs", "InferOutputTensor", MANY), (6, "raw_output_contents", F.TYPE_BYTES, MANY)], [(4, "parameters")])
    _message(add, "ModelStreamInferResponse", [(1, "error_message", F.TYPE_STRING, ONE), (2, "infer_response", "ModelInferResponse", ONE)])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _pool()


def _type(name):
    return message_factory.MessageFactory(_POOL).GetPrototype(_POOL.FindMessageTypeByName(f"inference.{name}"))


Request, Response, StreamResponse = _type("ModelInferRequest"), _type("ModelInferResponse"), _type("ModelStreamInferResponse")


def request(rows, raw=False, **parameters):
    """One tensor of pixels, typed or raw; parameters are strings."""
    m = Request(model_name=NAME, id="7")
    for key, value in parameters.items():
        m.parameters[key].string_param = value
    tensor = m.inputs.add(name="pixels", datatype="FP64", shape=[len(rows), PIXELS])
    flat = np.asarray(rows, dtype="<f8").ravel()
    if raw:
        m.raw_input_contents.append(flat.tobytes())
    else:
        tensor.contents.fp64_contents.extend(flat)
    return m


def rows_of(m):
    flat = np.frombuffer(m.raw_input_contents[0], dtype="<f8") if m.raw_input_contents else np.array(m.inputs[0].contents.fp64_contents)
    return flat.reshape(list(m.inputs[0].shape))


def response(probabilities, raw):
    """What the demo's server answers over REST: probabilities, and the label as INT64."""
    m = Response(model_name=NAME, id="7")
    p = m.outputs.add(name="probabilities", datatype="FP64", shape=list(probabilities.shape))
    flat = np.asarray(probabilities, dtype="<f8").ravel()
    if raw:
        m.raw_output_contents.append(flat.tobytes())
    else:
        p.contents.fp64_contents.extend(flat)
    return m


def probabilities_of(m):
    flat = np.frombuffer(m.raw_output_contents[0], dtype="<f8") if m.raw_output_contents else np.array(m.outputs[0].contents.fp64_contents)
    return flat.reshape(list(m.outputs[0].shape))


class Handler(grpc.GenericRpcHandler):
    """`predict(rows)` gives probabilities. An answer is raw when its request is; ModelStreamInfer wraps when asked to."""

    def __init__(self, predict, wrapped=False, seen=None):
        self.predict, self.wrapped, self.seen = predict, wrapped, seen

    def service(self, details):
        method = details.method.rsplit("/", 1)[1]
        if method == "ModelInfer":
            return grpc.unary_unary_rpc_method_handler(self.one, Request.FromString, Response.SerializeToString)
        if method == "ModelStreamInfer":
            return grpc.stream_stream_rpc_method_handler(self.many, Request.FromString, lambda m: m.SerializeToString())
        if method == "Upper":  # of no protocol that is known: bytes
            return grpc.unary_stream_rpc_method_handler(lambda body, context: iter([body.upper(), body]), None, None)
        return None

    def one(self, m, context):
        if self.seen is not None:
            self.seen.append(m)
        if "fail" in m.parameters:
            context.abort(grpc.StatusCode[m.parameters["fail"].string_param], "as it was asked to: 100 %")
        return response(self.predict(rows_of(m)), bool(m.raw_input_contents))

    def many(self, messages, context):
        for m in messages:
            answer = self.one(m, context)
            yield StreamResponse(infer_response=answer) if self.wrapped else answer


def serve(handler, credentials=None):
    """A server in this process: (it, its port)."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), handlers=[handler], options=OPTIONS + [("grpc.so_reuseport", 0)])
    port = server.add_secure_port("127.0.0.1:0", credentials) if credentials else server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


class Client:
    def __init__(self, port, credentials=None, compression=None):
        options = OPTIONS + [("grpc.use_local_subchannel_pool", 1)]
        where = f"127.0.0.1:{port}"
        self.channel = (grpc.secure_channel(where.replace("127.0.0.1", "localhost"), credentials, options, compression) if credentials
                        else grpc.insecure_channel(where, options, compression))
        self.infer = self.channel.unary_unary(f"/{SERVICE}/ModelInfer", Request.SerializeToString, Response.FromString)
        self.stream = self.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer", Request.SerializeToString, lambda b: b)
        self.upper = self.channel.unary_stream("/test.Text/Upper", None, None)


def frame(message, compressed=0):
    return struct.pack(">BI", compressed, len(message)) + message


def digits():
    """The demo's models, its split: nothing here can differ from its truth."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "demo"))
    import models
    return models
