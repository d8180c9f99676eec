"""Golden blocks of quantized numbers, from llama.cpp's own Python package.

    python scripts/parity/gguf_blocks.py crates/gguf/tests/fixtures/blocks.gguf

For every storage type two tensors in one file: `TYPE.random`, blocks of random bytes (scales finite), and where
the package can quantize, `TYPE.normal`, Gaussian numbers quantized; each with `... .values`, the f32 the package
dequantizes them to. Metadata of every type stands beside them. Needs numpy and gguf (0.19.0 made what is committed).
"""

import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

TYPES = [Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q8_0, Type.Q4_K, Type.Q6_K]
# Where a block keeps its half-precision scales.
SCALES = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q8_0: [0], Type.Q4_K: [0, 2], Type.Q6_K: [208]}
ROWS = 4


def random_blocks(kind, generator):
    """Random bytes of ROWS rows, one block (or 16 plain numbers) each. The first row's scale is subnormal."""
    size, width = gguf.GGML_QUANT_SIZES[kind]
    if kind in (Type.F32, Type.F16, Type.BF16):
        numbers = generator.standard_normal((ROWS, 16)).astype(np.float32)
        numbers[0, :4] = [0.0, -0.0, 1e-7, -3e4]
        return gguf.quants.quantize(numbers, kind).view(np.uint8)
    blocks = generator.integers(0, 256, (ROWS, width), dtype=np.uint8)
    for row in range(ROWS):
        for at in SCALES[kind]:
            scale = np.float16(3e-6 if row == 0 else generator.normal() * 0.05)
            blocks[row, at : at + 2] = np.frombuffer(scale.tobytes(), np.uint8)
    return blocks


def add(writer, name, kind, data):
    values = gguf.quants.dequantize(data, kind).astype(np.float32)
    if kind in (Type.F32, Type.F16):
        data = data.view(np.float32 if kind == Type.F32 else np.float16)
        writer.add_tensor(name, data)
    else:
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.add_tensor(f"{name}.values", values)


def main(path):
    generator = np.random.default_rng(20261125)
    writer = gguf.GGUFWriter(path, "blocks")
    writer.add_uint8("value.u8", 200)
    writer.add_int8("value.i8", -100)
    writer.add_uint16("value.u16", 60000)
    writer.add_int16("value.i16", -30000)
    writer.add_uint32("value.u32", 4_000_000_000)
    writer.add_int32("value.i32", -2_000_000_000)
    writer.add_float32("value.f32", 0.1)
    writer.add_bool("value.bool", True)
    writer.add_string("value.string", "Ishmael — 鯨")
    writer.add_array("value.strings", ["call", "", "me"])
    writer.add_array("value.integers", [1, 2, 3])
    writer.add_array("value.floats", [0.5, -1.5])
    writer.add_uint64("value.u64", 2**63)
    writer.add_int64("value.i64", -(2**62))
    writer.add_float64("value.f64", 1e300)
    for kind in TYPES:
        add(writer, f"{kind.name}.random", kind, random_blocks(kind, generator))
        normal = generator.standard_normal((2, 256)).astype(np.float32)
        try:
            data = gguf.quants.quantize(normal, kind).view(np.uint8)
        except NotImplementedError:
            continue
        if kind not in (Type.F32,):
            add(writer, f"{kind.name}.normal", kind, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main(sys.argv[1])
