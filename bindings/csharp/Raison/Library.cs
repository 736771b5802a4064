using System;
using System.Collections.Generic;

namespace Raison
{
    /// <summary>The library itself: its version, and the devices of this machine.</summary>
    public static class Library
    {
        // What this assembly was written for; the native part comes in the same package.
        private const int BuiltFor = 100;

        /// <summary>10000 * major + 100 * minor + patch of the native library.</summary>
        public static int VersionNumber => Call(Crossing.VersionNumber);

        /// <summary>"0.1.0".</summary>
        public static string Version => Call(() => Utf8.Decode(Crossing.VersionText()));

        /// <summary>The name that raison.h gives a status: "RSN_ERR_FORMAT".</summary>
        public static string StatusName(Status status) =>
            Call(() => Utf8.Decode(Crossing.StatusName((int)status)));

        /// <summary>Lists the devices, the CPU first.</summary>
        /// <param name="backendPath">A folder to look for plug-ins in first, or one's file.</param>
        public static IReadOnlyList<Device> Devices(string? backendPath = null)
        {
            byte[] path = Utf8.Encode(backendPath ?? "", nameof(backendPath));
            var r = new RecordReader(Call(() => Crossing.Devices(path)));
            var devices = new Device[r.Count()];
            for (int i = 0; i < devices.Length; ++i) devices[i] = new Device(ref r);
            return devices;
        }

        /// <summary>Calls into the native part; its error becomes the exception that fits.</summary>
        internal static T Call<T>(Func<T> call, string? path = null)
        {
            try
            {
                return call();
            }
            catch (NativeError error)
            {
                throw RaisonException.Of(error, path);
            }
        }

        internal static void Call(Action call)
        {
            try
            {
                call();
            }
            catch (NativeError error)
            {
                throw RaisonException.Of(error);
            }
        }

        // While the version is 0.x a minor release may change the ABI.
        internal static void CheckVersion()
        {
            int number = VersionNumber;
            if (number / 100 != BuiltFor / 100)
                throw new RaisonException(Status.Struct,
                    $"the native library is {Version}, this assembly was built for 0.{BuiltFor / 100}");
        }
    }
}
