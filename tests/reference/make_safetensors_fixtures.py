"""Writes tests/fixtures/safetensors: files with the reference reader's verdict, and a file of the reference writer.

    python tests/reference/make_safetensors_fixtures.py                      # in the environment of requirements.txt
    python tests/reference/make_safetensors_fixtures.py 100000 /tmp/more.bin # more mutants, for a campaign:
    HONE_SAFETENSORS_CASES=/tmp/more.bin build/tests/test_safetensors_hostile

cases.bin: for each case one byte of verdict (1: the reference accepts), two of reasons why hone is stricter on purpose
(a bit each, STRICTER below; only where the reference accepts), four of length, and the file. Little endian.
written.safetensors: save_file() of one tensor of each dtype and awkward name, metadata {"format": "pt"}.
Everything is seeded: a second run writes the same files.
"""
import json
import pathlib
import random
import struct
import sys

import safetensors
import torch
from safetensors.torch import save_file

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "safetensors"
# Bits of the reasons, in the order of tests/test_safetensors_hostile.c.
STRICTER = ["start", "twice", "metadata null", "form", "key", "nul", "dims", "number", "bits"]
MUTANTS = 260


def accepts(data):
    try:
        safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return False
    return True


class Pairs(list):
    """A JSON object with its keys in order, repeated ones included."""


def reasons(data):
    """The reasons of which hone refuses a file that the reference accepts, as a set."""
    found = set()
    header = data[8:8 + struct.unpack("<Q", data[:8])[0]].decode()
    if not header.startswith("{"):
        found.add("start")
    pairs = json.loads(header, object_pairs_hook=Pairs)
    names = [k for k, _ in pairs]
    if len(set(names)) < len(names):
        found.add("twice")
    if any("\0" in n for n in names):
        found.add("nul")
    for name, entry in pairs:
        if name == "__metadata__":
            if entry is None:
                found.add("metadata null")
                continue
            keys = [k for k, _ in entry]
            if len(set(keys)) < len(keys):
                found.add("twice")
            if any("\0" in k + v for k, v in entry):
                found.add("nul")
            continue
        if not isinstance(entry, Pairs):
            found.add("form")
            fields = dict(zip(["dtype", "shape", "data_offsets"], entry))
        else:
            fields = dict(entry)
            if set(fields) - {"dtype", "shape", "data_offsets"}:
                found.add("key")
        if isinstance(fields["dtype"], Pairs):
            found.add("form")
        elif fields["dtype"] in ("F4", "F6_E2M3", "F6_E3M2"):
            found.add("bits")
        if len(fields["shape"]) > 8:
            found.add("dims")
        if any(n > 2**53 for n in fields["shape"]):
            found.add("number")
    return found


def build(header, data=b"", length=None):
    raw = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def handmade():
    one = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    four = bytes(range(4))
    yield b""
    yield b"\0" * 7
    for length in (0, 1, 8, 55, 100_000_000, 100_000_001, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 9, 2**64 - 8,
        2**64 - 1):
        yield build("{" + one + "}", four, length)
    for header in (
        "{}", "[]", "null", "1", '""', "", " ", "{", "}", "{}{}", "{} ", "{}\n\t\r ", "{}\0", "{}x", " {}", "\n{}",
        "\ufeff{}",
        '{"__metadata__":null}', '{"__metadata__":{}}', '{"__metadata__":[]}', '{"__metadata__":"x"}',
        '{"__metadata__":{"a":"b"}}', '{"__metadata__":{"a":1}}', '{"__metadata__":{"a":null}}',
        '{"__metadata__":{"a":["b"]}}', '{"__metadata__":{"a":{"b":"c"}}}', '{"__metadata__":{"a":"b","a":"c"}}',
        '{"__metadata__":{"a":"\\u0000"}}', '{"__metadata__":{"\\u0000":"a"}}', '{"__metadata__":{"":""}}',
        '{"__metadata__":{},"__metadata__":{}}', '{"__metadata__":{"é😀":"\\ud83d\\ude00"}}',
        '{"__metadata__":{"a":"b",}}', '{"__metadata__":{a:"b"}}', "{'__metadata__':{}}", '{"a":1}', '{"a":null}',
        '{"a":{}}',
        '{"a":[]}', '{"a":"x"}', "{" * 200, '{"a":' * 200, "[" * 1000,
    ):
        yield build(header)
    for header in (
        "{" + one + "}", " {" + one + "}", "{" + one + "}   ", "{ " + one.replace(":", " : ").replace(",",
        "\t,\n") + "}",
        "{" + one + ",}", "{," + one + "}", "{" + one + "," + one + "}", "{" + one + one + "}", "{" + one,
        "{" + one + "}}",
        "{" + one + ',"__metadata__":{"x":"y"}}', "{" + one + ',"b":null}', "{" + one + "} //", "/**/{" + one + "}",
    ):
        yield build(header, four)
    names = ("", "é", "😀", "\\u00e9", "\\ud83d\\ude00", "\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\u0041", "\\u0000",
        "a\\u0000b",
             "\\t", "\t", "\\x", "\\u12", "\\u12g4", "\\/", '\\"', "\\", "__metadata__", "\x7f", "../x", "a" * 300,
             "\u2028", "\ufeff")
    for name in names:
        yield build("{" + one.replace('"a"', f'"{name}"') + "}", four)
    for raw in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xf0\x9f\x98\x80"):
        yield build(b"{" + one.replace('"a"', '"@"').encode().replace(b"@", raw) + b"}", four)
    entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    changes = {
        '"F32"': ['"f32"', '"F\\u00332"', '"X"', '""', "32", "null", '{"F32":null}', '["F32"]'],
        '"dtype"': ['"Dtype"', '"\\u0064type"'],
        '"dtype":"F32",': ["", '"dtype":"F32","dtype":"F32",'],
        '"shape":[1],': ["", '"shape":[1],"shape":[1],', '"shape":[1],"x":1,', '"shape":[1],"":{},'],
        ',"data_offsets":[0,4]': [""],
        "[0,4]}": ['[0,4],"x":[[[{"y":null}]]]}', "[0,4],}"],
        "[1]": ["[]", "[1,1,1,1,1,1,1,1]", "[1,1,1,1,1,1,1,1,1]", "[" + "1," * 40 + "1]", "1", "null", "{}", '"1"',
            "[[1]]", "[1,]", "[,1]", "[1 1]", "[-1]", "[-0]", "[1.0]", "[1e0]", "[1E0]", "[01]", "[+1]", "[0x1]",
            '["1"]', "[true]", "[null]", "[0]", "[2]", "[1.]", "[NaN]", "[1e400]"],
        "[0,4]": ["[0,4,4]", "[0]", "[]", "[4,0]", "[0,3]", "[0,5]", "[1,5]", "[-4,0]", "[0,4.0]", "[0.0,4]",
            "[18446744073709551612,0]", "[0,18446744073709551616]", "[0,18446744073709551620]", '["0",4]',
            '{"0":0,"1":4}', "null"],
        entry: ['["F32",[1],[0,4]]', '["F32",[1]]', '["F32",[1],[0,4],0]', "[]", '"F32"'],
    }
    for old, new in ((old, new) for old, news in changes.items() for new in news):
        yield build('{"a":' + entry.replace(old, new) + "}", four)
    sizes = (0, 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30)
    for x in sizes:
        for y in sizes:
            if max(x, y) < 2**31:
                continue
            for shape in ((x, y), (x, y, 0), (0, x, y)):
                zero = '"z":{"dtype":"F32","shape":[%s],"data_offsets":[0,0]}' % ",".join(map(str, shape))
                if random.random() < 0.25:
                    yield build("{" + zero + "," + one + "}", four)
    rows = {4: "F4 I4 U4", 6: "F6_E2M3 F6_E3M2", 8: "BOOL U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ F8",
            16: "I16 U16 F16 BF16", 32: "I32 U32 F32 C32", 64: "C64 F64 I64 U64", 128: "C128"}
    for bits, dtype in ((bits, dtype) for bits, dtypes in rows.items() for dtype in dtypes.split()):
        for size in (bits, bits - 1):
            yield build('{"a":{"dtype":"%s","shape":[8],"data_offsets":[0,%d]}}' % (dtype, size), bytes(size))

    def two(first, second, size):
        entries = ('"%s":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}' % (name, abs(end - begin), begin, end)
                   for name, (begin, end) in (("x", first), ("y", second)))
        return build("{" + ",".join(entries) + "}", bytes(size))

    for first, second, size in (
        ((0, 4), (4, 8), 8), ((4, 8), (0, 4), 8), ((0, 4), (5, 9), 9), ((0, 4), (3, 7), 7), ((0, 4), (0, 4), 4),
        ((0, 4), (4, 8), 7), ((0, 4), (4, 8), 9), ((0, 0), (0, 4), 4), ((4, 4), (0, 4), 4), ((2, 2), (0, 4), 4),
        ((5, 5), (0, 4), 4), ((0, 8), (2, 4), 8), ((1, 4), (4, 8), 8), ((4, 0), (4, 8), 8), ((0, 0), (0, 0), 0),
        ((0, 0), (0, 0), 1), ((1, 1), (1, 1), 1),
    ):
        yield two(first, second, size)


def valid():
    """A small file with a bit of everything, for mutation."""
    header = {"__metadata__": {"format": "pt", "é": "\n"}}
    at = 0
    for name, dtype, shape, size in (("w.0", "F32", [2, 3], 24), ("b", "BF16", [], 2), ("n", "I64", [0, 7], 0),
                                     ("é\"\\", "U8", [5], 5)):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=random.random() < 0.5)
    return build(text + " " * random.randrange(4), bytes(at))


def mutant():
    data = bytearray(valid())
    tokens = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"0", b"1", b"-", b".", b"e5", b"\\", b"\\u0000", b"null", b" ",
              b"\n", b"\0", b"\xff", b"\xc3\xa9", b'"w.0":', b'"x":{},', b"18446744073709551616", b'"dtype"',
              b'"shape":[1],', b"F16", b"F64", b"0,0"]
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        kind = random.randrange(6)
        at = random.randrange(8 if random.random() < 0.9 else 0, len(data))
        if kind == 0:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            data[at:at + random.choice((1, 1, 1, 2, 5, 30))] = b""
        elif kind == 2:
            data[at:at] = random.choice(tokens)
        elif kind == 3:
            token = random.choice(tokens)
            data[at:at + len(token)] = token
        elif kind == 4:
            end = min(len(data), at + random.randrange(1, 40))
            data[at:at] = data[at:end]
        else:
            del data[at:]
        if len(data) < 16:
            break
    # Mostly keep the length field right, so that the header's own rules get their turn.
    if random.random() < 0.8 and len(data) > 8:
        end = bytes(data).rfind(b"}") + 1
        if end > 8:
            data[:8] = struct.pack("<Q", end - 8)
    return bytes(data)


def write_cases(path, mutants):
    random.seed(20240229)
    cases = list(handmade()) + [mutant() for _ in range(mutants)]
    accepted = refused_on_purpose = 0
    with open(path, "wb") as file:
        for data in cases:
            verdict = accepts(data)
            why = reasons(data) if verdict else set()
            accepted += verdict
            refused_on_purpose += bool(why)
            bits = sum(1 << STRICTER.index(r) for r in why)
            file.write(struct.pack("<BHI", verdict, bits, len(data)) + data)
    print(f"{path}: {len(cases)} cases, {accepted} accepted by safetensors {safetensors.__version__}, "
          f"{refused_on_purpose} of them refused by hone on purpose")


def write_reference_file(path):
    dtypes = (torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.int32, torch.int16,
              torch.int8, torch.uint8, torch.bool, torch.uint16, torch.uint32, torch.uint64)
    tensors = {f"t.{i:02d}": (torch.arange(6) + i).reshape(2, 3).to(d) for i, d in enumerate(dtypes)}
    tensors["bool"] = torch.tensor([True, False, True])
    tensors["scalar"] = torch.tensor(1.5)
    tensors["empty"] = torch.zeros(3, 0, 2)
    tensors['awkward "\\\n\x01\x7fé😀/'] = torch.tensor([float("nan"), float("-inf"), -0.0])
    save_file(tensors, path, metadata={"format": "pt"})


if __name__ == "__main__":
    if len(sys.argv) == 3:
        write_cases(sys.argv[2], int(sys.argv[1]))
    else:
        FIXTURES.mkdir(parents=True, exist_ok=True)
        write_cases(FIXTURES / "cases.bin", MUTANTS)
        write_reference_file(FIXTURES / "written.safetensors")
