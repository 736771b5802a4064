// Records (bindings/swig/record.h) in C#: fields one after the other, little-endian. The order of the
// fields is in the classes that read and write them.
using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;

namespace Raison
{
    internal struct RecordReader
    {
        // An array, not a span: Mono 6.8 lacks parts of ReadOnlySpan that netstandard2.1 promises.
        private readonly byte[] record;
        private int at;

        internal RecordReader(byte[] record)
        {
            this.record = record;
            at = 0;
        }

        private int Skip(int size)
        {
            if (size > record.Length - at) throw new InvalidDataException("a record of the native part ends early");
            int from = at;
            at += size;
            return from;
        }

        private ReadOnlySpan<byte> Take(int size) => new ReadOnlySpan<byte>(record, Skip(size), size);

        internal bool Bool() => record[Skip(1)] != 0;
        internal int Int() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));
        internal long Long() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));
        internal ulong ULong() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
        internal float Float() => BitConverter.Int32BitsToSingle(Int());
        internal double Double() => BitConverter.Int64BitsToDouble(Long());
        internal int Count() => checked((int)BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
        internal byte[] Bytes() => Take(Count()).ToArray();

        internal string Text()
        {
            int size = Count();
            return Utf8.Decode(record, Skip(size), size);
        }

        internal int[] Ints()
        {
            var list = new int[Count()];
            for (int i = 0; i < list.Length; ++i) list[i] = Int();
            return list;
        }

        internal float[] Floats()
        {
            var list = new float[Count()];
            for (int i = 0; i < list.Length; ++i) list[i] = Float();
            return list;
        }

        internal long[] Longs()
        {
            var list = new long[Count()];
            for (int i = 0; i < list.Length; ++i) list[i] = Long();
            return list;
        }

        internal string[] Texts()
        {
            var list = new string[Count()];
            for (int i = 0; i < list.Length; ++i) list[i] = Text();
            return list;
        }

        /// <summary>The rest, as a record of its own.</summary>
        internal byte[] Rest() => Take(record.Length - at).ToArray();
    }

    internal sealed class RecordWriter
    {
        private readonly MemoryStream stream = new MemoryStream();
        private readonly byte[] word = new byte[8];

        internal RecordWriter Bool(bool value)
        {
            stream.WriteByte(value ? (byte)1 : (byte)0);
            return this;
        }

        internal RecordWriter Int(int value)
        {
            BinaryPrimitives.WriteInt32LittleEndian(word, value);
            stream.Write(word, 0, 4);
            return this;
        }

        internal RecordWriter ULong(ulong value)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, value);
            stream.Write(word, 0, 8);
            return this;
        }

        internal RecordWriter Float(float value) => Int(BitConverter.SingleToInt32Bits(value));

        internal RecordWriter Text(string? text, string name)
        {
            byte[] bytes = text == null ? Array.Empty<byte>() : Utf8.Encode(text, name);
            Int(bytes.Length);
            stream.Write(bytes, 0, bytes.Length);
            return this;
        }

        internal RecordWriter Texts(ICollection<string>? texts, string name)
        {
            Int(texts?.Count ?? 0);
            if (texts == null) return this;
            foreach (string text in texts) Text(text ?? throw new ArgumentException($"{name} holds a null", name), name);
            return this;
        }

        internal byte[] ToArray() => stream.ToArray();
    }
}
