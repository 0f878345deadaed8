"""What needs a device, or says why there is none: kernels are loaded and launched by cuda.core, and arrays copied."""

from functools import cache, lru_cache

from cuda.bindings import driver, nvjitlink
from cuda.core import Device, LaunchConfig, Stream
from cuda.core import launch as launch_kernel
from cuda.core.utils import StridedMemoryView
from numba import cuda

from fastact._cuda_device import OLDEST


def why_not():
    """Why nothing can be launched here, or None."""
    if error := cuda.cuda_error():
        return " ".join(str(error).split())
    try:
        status, version = driver.cuDriverGetVersion()
        if status != driver.CUresult.CUDA_SUCCESS:
            return f"the driver does not answer: {status.name}"
        compiler = nvjitlink.version()[0]
        if version // 1000 < compiler:
            return (
                f"the driver is for CUDA {release(version)}, and the compiler for CUDA {compiler}: "
                f"a newer driver is needed, or numba-cuda[cu{version // 1000}]"
            )
        device = Device(0)
        capability = tuple(device.compute_capability)
    except Exception as error:  # whatever a driver in disorder may raise
        return f"{type(error).__name__}: {error}"
    if capability < OLDEST:
        return (
            f"{device.name} has compute capability {capability[0]}.{capability[1]}; {OLDEST[0]}.{OLDEST[1]} is needed"
        )
    return None


def release(version):
    """13020 as 13.2."""
    return f"{version // 1000}.{version % 1000 // 10}"


def describe():
    device = Device(0)
    capability = ".".join(map(str, device.compute_capability))
    return f"{device.name}, compute capability {capability}, driver for CUDA {release(driver.cuDriverGetVersion()[1])}"


@cache
def shared_room(device_id):
    """Bytes of shared memory that a block can have, if it is allowed to."""
    attribute = driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    status, room = driver.cuDeviceGetAttribute(attribute, device_id)
    return room if status == driver.CUresult.CUDA_SUCCESS else 0


def allow_much_shared(kernel, device_id):
    attributes = driver.CUfunction_attribute
    for attribute, value in (
        (attributes.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared_room(device_id)),
        (attributes.CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 100),  # percent
    ):
        (status,) = driver.cuKernelSetAttribute(attribute, value, kernel.handle, device_id)
        if status != driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"the driver does not give shared memory: {status.name}")


@cache
def stream_of(handle):
    return Stream.from_handle(handle)


configuration = lru_cache(maxsize=4096)(LaunchConfig)
device_by_number = cache(Device)


def launch(launch, device_id, stream, after, arguments):
    """Queue a kernel on a stream, after what others have under way now."""
    here = Device().device_id
    device = device_by_number(device_id)
    device.set_current()
    try:
        queue = stream_of(stream)
        for other in after:
            queue.wait(stream_of(other))
        config = configuration(launch.blocks, None, launch.threads, launch.shared)
        launch_kernel(queue, config, launch.kernel.on(device), *arguments)
    finally:
        if here != device_id:
            device_by_number(here).set_current()


def device_of(address):
    """The device in whose memory an address is; for an empty array, which may have none, the current one."""
    if not address:
        return Device().device_id
    attribute = driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
    status, device = driver.cuPointerGetAttribute(attribute, address)
    if status != driver.CUresult.CUDA_SUCCESS:
        raise ValueError(f"there is no device memory at the address {address:#x}: {status.name}")
    return device


def view(x, stream):
    """What DLPack says about an array, to be used on this stream."""
    return StridedMemoryView.from_dlpack(x, stream_ptr=stream)


def to_device(array):
    """A copy of a NumPy array, in Numba's memory."""
    native = array.astype(array.dtype.newbyteorder("="), order="C", copy=False)
    return cuda.to_device(native)


def to_host(array):
    return array.copy_to_host()
