"""What `fastact demo` shows: handwritten digits recognised, then all functions timed."""

from fastact._demo import digits, speed


def show():
    digits.show()
    print()
    speed.show()
