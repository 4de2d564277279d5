"""Colours changed as torchvision's functional_tensor defines it, for tests/data/augmentations.rs.

Hue goes through Python's own colorsys, so that an error in the formulas would not be copied.
"""
import colorsys

PIXELS = [(200, 30, 60), (10, 120, 250), (90, 200, 40), (128, 128, 128), (255, 255, 0), (0, 0, 0)]
FLOATS = [[value / 255 for value in pixel] for pixel in PIXELS]


def grey(pixel):
    return 0.2989 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]


def byte(value):
    return int(min(1, max(0, value)) * 255 + 0.5)


for shift in (0.25, -0.4):
    turned = []
    for pixel in FLOATS:
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        colour = colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value)
        turned.append([byte(value) for value in colour])
    print("hue", shift, turned)
mean = sum(map(grey, FLOATS)) / len(FLOATS)
print("brightness 1.5", [[byte(1.5 * v) for v in p] for p in FLOATS])
print("contrast 0.5", [[byte(0.5 * v + 0.5 * mean) for v in p] for p in FLOATS])
print("saturation 1.6", [[byte(1.6 * v - 0.6 * grey(p)) for v in p] for p in FLOATS])
