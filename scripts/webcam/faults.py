"""What can go wrong outside the tool."""


class DeviceError(RuntimeError):
    """A camera, a microphone, a display or a file does not do its part; the message is for the user."""
