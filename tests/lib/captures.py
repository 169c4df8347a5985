"""What a capture file holds, as capture/FORMAT.md has it: the bytes of its segments, decompressed, to be searched."""
import ctypes, struct


def plain(path):
    zstd = ctypes.CDLL("libzstd.so.1")
    zstd.ZSTD_decompress.restype = zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
    with open(path, "rb") as f:
        data = f.read()
    at, out = 16 + struct.unpack_from("<I", data, 12)[0] + 4, [data[:16 + struct.unpack_from("<I", data, 12)[0]]]
    while data[at:at + 4] == b"USEG":
        n = struct.unpack_from("<I", data, at + 4)[0]
        frame = data[at + 20:at + 20 + n]
        room = ctypes.create_string_buffer(zstd.ZSTD_getFrameContentSize(frame, ctypes.c_size_t(n)) or 1)
        got = zstd.ZSTD_decompress(room, ctypes.c_size_t(len(room)), frame, ctypes.c_size_t(n))
        if got > len(room):
            raise ValueError(f"{path}: a segment cannot be decompressed")
        out.append(room.raw[:got])
        at += 20 + n + 16 + 4
    return b"".join(out)
