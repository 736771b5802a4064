// The managed half of bindings/swig/csharp.i: spans in, blocks out, and the thread's error after each
// call. SWIG's proxies are written against this; nothing else calls it.
#nullable enable
using System;
using System.Runtime.InteropServices;

namespace Raison
{
    /// <summary>Pinned bytes and how many there are; by value, two words.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal readonly unsafe struct NativeSpan
    {
        private readonly void* data;
        private readonly long size;

        internal NativeSpan(void* data, long size)
        {
            this.data = data;
            this.size = size;
        }
    }

    /// <summary>A failed call, before it becomes an exception that fits.</summary>
    internal sealed class NativeError : Exception
    {
        internal NativeError(int status, string message) : base(message) => Status = status;
        internal int Status { get; }
    }

    internal static unsafe class NativeCall
    {
        internal static void Check()
        {
            int status = Failed();
            if (status == 0) return;
            IntPtr block = TakeError();
            throw new NativeError(status, block == IntPtr.Zero ? "" : Utf8.Decode(Take(block)));
        }

        internal static T Check<T>(T result)
        {
            Check();
            return result;
        }

        internal static byte[] TakeBytes(IntPtr block)
        {
            Check();
            return Take(block);
        }

        internal static int[] Take_int(IntPtr block)
        {
            Check();
            try
            {
                var result = new int[checked((int)(Size(block) / sizeof(int)))];
                Marshal.Copy(block + sizeof(ulong), result, 0, result.Length);
                return result;
            }
            finally
            {
                Free(block);
            }
        }

        internal static float[] Take_float(IntPtr block)
        {
            Check();
            try
            {
                var result = new float[checked((int)(Size(block) / sizeof(float)))];
                Marshal.Copy(block + sizeof(ulong), result, 0, result.Length);
                return result;
            }
            finally
            {
                Free(block);
            }
        }

        private static byte[] Take(IntPtr block)
        {
            try
            {
                var result = new byte[checked((int)Size(block))];
                Marshal.Copy(block + sizeof(ulong), result, 0, result.Length);
                return result;
            }
            finally
            {
                Free(block);
            }
        }

        private static ulong Size(IntPtr block) => *(ulong*)block;

        [DllImport("raison_csharp", EntryPoint = "RaisonSwig_Failed")]
        private static extern int Failed();
        [DllImport("raison_csharp", EntryPoint = "RaisonSwig_TakeError")]
        private static extern IntPtr TakeError();
        [DllImport("raison_csharp", EntryPoint = "RaisonSwig_Free")]
        private static extern void Free(IntPtr block);
    }
}
