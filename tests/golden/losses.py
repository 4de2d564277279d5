#!/usr/bin/env python3
"""Writes losses.json: losses of GANs and VAEs as PyTorch computes them in f64.

{"terms": {name: {
   "inputs":    {argument: {"salt": s, "shape": [...], "scale": a, "shift": b}}, in order; values are
                a * numbers(salt, *shape) + b,
   "value":     the term, flat; what is no scalar is weighted with numbers(99) for the gradients,
   "gradients": {argument: gradient, flat}; inputs that are absent here are data}},
 "steps": {name: {
   "value":     {column of the history: number},
   "critic":    {parameter: its gradient, flat},
   "generator": the gradient of the images that the generator makes, flat}}}

"terms" are losses of logits and images, and penalties on the slope of the critic below, whose gradients are of
second order. "steps" are whole steps of a GAN: the critic descends on its loss, by the gradient itself (SGD at a
learning rate of 1), and the generator on what the critic then says. The generator makes the same image always.

Run with PyTorch 1.13 or later: python3 losses.py > losses.json
"""

import json

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
terms, steps = {}, {}


def numbers(salt, *shape, scale=1.0, shift=0.0):
    """Numbers in [-1, 1), scaled and shifted, that both sides can make: no random generator."""
    count = torch.Size(shape).numel()
    values = [((k * 7919 + salt * 104729) % 2048) / 1024 - 1 for k in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape) * scale + shift


def flat(t):
    return [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]


class Inputs(dict):
    """Leaves by name; all but those that `data` names are differentiated."""

    def __init__(self, data=(), **described):
        super().__init__()
        self.described = {}
        for salt, (name, (shape, scale, shift)) in enumerate(described.items(), 1):
            self.described[name] = {"salt": salt, "shape": list(shape), "scale": scale, "shift": shift}
            self[name] = numbers(salt, *shape, scale=scale, shift=shift)
            if name not in data:
                self[name].requires_grad_()


def record(name, value, inputs, weigh=False):
    loss = (value * numbers(99, *value.shape)).sum() if weigh else value
    leaves = {n: t for n, t in inputs.items() if t.requires_grad}
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    gradients = {n: flat(torch.zeros_like(t) if g is None else g) for (n, t), g in zip(leaves.items(), found)}
    terms[name] = {"inputs": inputs.described, "value": flat(value), "gradients": gradients}


# Losses of a discriminator and a generator, written as the papers write them.

bce = F.binary_cross_entropy_with_logits
LOSSES = {
    "bce": (
        lambda x, y=1.0: bce(x, torch.full_like(x, 1.0) * y),
        lambda x, y=0.0: bce(x, torch.full_like(x, 1.0) * y),
        lambda x: -F.logsigmoid(x).mean(),
    ),
    "minimax": (
        lambda x, y=1.0: bce(x, torch.full_like(x, 1.0) * y),
        lambda x, y=0.0: bce(x, torch.full_like(x, 1.0) * y),
        lambda x: torch.log(1 - torch.sigmoid(x)).mean(),
    ),
    "lsgan": (
        lambda x, y=1.0: 0.5 * ((x - y) ** 2).mean(),
        lambda x, y=0.0: 0.5 * ((x - y) ** 2).mean(),
        lambda x: 0.5 * ((x - 1) ** 2).mean(),
    ),
    "hinge": (
        lambda x: F.relu(1 - x).mean(),
        lambda x: F.relu(1 + x).mean(),
        lambda x: -x.mean(),
    ),
    "wasserstein": (
        lambda x: -x.mean(),
        lambda x: x.mean(),
        lambda x: -x.mean(),
    ),
}
for name, parts in LOSSES.items():
    for part, function in zip(("real", "fake", "generator"), parts):
        inputs = Inputs(logits=((6, 1, 2, 1), 3, 0))
        record(f"{name} {part}", function(inputs["logits"]), inputs)
        if part == "generator" or name in ("hinge", "wasserstein"):
            continue
        inputs = Inputs(("labels",), logits=((6, 1, 2, 1), 3, 0), labels=((6,), 0.6, 0.5))
        labels = inputs["labels"].reshape(6, 1, 1, 1)
        record(f"{name} {part} labels", function(inputs["logits"], labels), inputs)

inputs = Inputs(logits=((4, 7), 3, 0))
labels = torch.tensor([[1, 0, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]])
record("auxiliary bce", bce(inputs["logits"], labels.double()), inputs)
inputs = Inputs(logits=((4, 7), 3, 0))
groups = F.cross_entropy(inputs["logits"][:, :3], torch.tensor([0, 2, 1, 2]))
groups = groups + F.cross_entropy(inputs["logits"][:, 3:], torch.tensor([3, 0, 1, 2]))
record("auxiliary cross-entropy", groups, inputs)


# Terms of a VAE: the sum or the mean over pixels or dimensions, the mean over images.

def images():
    return Inputs(reconstruction=((3, 2, 4, 2), 1, 0), image=((3, 2, 4, 2), 0.9, 0.1))


for name, distance in {"mse": torch.square, "l1": torch.abs}.items():
    for reduction in ("mean", "sum"):
        inputs = images()
        each = distance(inputs["reconstruction"] - inputs["image"]).flatten(1)
        record(f"{name} {reduction}", getattr(each, reduction)(1).mean(), inputs)
for reduction in ("mean", "sum"):
    inputs = Inputs(mean=((3, 5), 2, 0), log_variance=((3, 5), 2, 0))
    mu, log_variance = inputs["mean"], inputs["log_variance"]
    posterior = torch.distributions.Normal(mu, (log_variance / 2).exp())
    each = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
    record(f"kl {reduction}", getattr(each, reduction)(1).mean(), inputs)
inputs = Inputs(("noise",), mean=((3, 5), 2, 0), log_variance=((3, 5), 2, 0), noise=((3, 5), 1.5, 0))
z = inputs["mean"] + torch.sqrt(torch.exp(inputs["log_variance"])) * inputs["noise"]
record("reparameterise", z, inputs, weigh=True)


# Penalties on the slope of a critic: conv 2->4 and 4->5, 3x3, stride 2, padding 1, with tanh and leaky_relu 0.2
# behind them, and a linear layer.

CRITIC = {
    "layers.0.weight": ((4, 2, 3, 3), 0.35, 0), "layers.0.bias": ((4,), 0.1, 0),
    "layers.2.weight": ((5, 4, 3, 3), 0.35, 0), "layers.2.bias": ((5,), 0.1, 0),
    "layers.5.weight": ((1, 20), 1, 0), "layers.5.bias": ((1,), 0.1, 0),
}
IMAGES = (3, 2, 8, 8)


def judge(p, x):
    x = torch.tanh(F.conv2d(x, p["layers.0.weight"], p["layers.0.bias"], stride=2, padding=1))
    x = F.leaky_relu(F.conv2d(x, p["layers.2.weight"], p["layers.2.bias"], stride=2, padding=1), 0.2)
    return F.linear(x.flatten(1), p["layers.5.weight"], p["layers.5.bias"]).squeeze(1)


def slopes(p, points):
    """The slope of the critic at each of `points` (N, ...)."""
    points = points.detach().requires_grad_()
    gradient = torch.autograd.grad(judge(p, points).sum(), points, create_graph=True)[0]
    return gradient.flatten(1).norm(2, dim=1)


def critic_inputs(others=None):
    others = others or {}
    return Inputs((*others, "real", "fake"), **CRITIC, real=(IMAGES, 0.9, 0), fake=(IMAGES, 0.5, 0.2), **others)


def penalty(name, points, cost, **others):
    inputs = critic_inputs(others)
    value = cost(slopes(inputs, points(inputs)))
    record(f"penalty {name}", value, inputs)


MIX = {"mix": ((3, 1, 1, 1), 0.5, 0.5)}
NOISE = {**MIX, "noise": (IMAGES, 0.5, 0.5)}
between = lambda i: i["mix"] * i["real"] + (1 - i["mix"]) * i["fake"]
two_sided = lambda slope: ((slope - 1) ** 2).mean()
one_sided = lambda slope: (F.relu(slope - 1) ** 2).mean()

found = slopes(critic_inputs(MIX), between(critic_inputs(MIX)))
assert (found > 1).any() and (found < 1).any(), f"the one-sided penalty needs slopes on both sides of 1: {found}"
penalty("two-sided", between, two_sided, **MIX)
penalty("one-sided", between, one_sided, **MIX)
penalty("as printed", lambda i: i["mix"] * i["real"] + (1 - i["mix"] * i["fake"]), two_sided, **MIX)
# The authors' code: X + epsilon * 0.5 * X.std() * U[0, 1).
penalty("dragan", lambda i: i["real"] + i["mix"] * 0.5 * i["real"].std() * i["noise"], two_sided, **NOISE)
penalty("r1", lambda i: i["real"], lambda slope: (slope ** 2).mean())
penalty("r2", lambda i: i["fake"], lambda slope: (slope ** 2).mean())
penalty("divergence 6", between, lambda slope: (slope ** 6).mean(), **MIX)
penalty("divergence 3", between, lambda slope: (slope ** 3).mean(), **MIX)
penalty("divergence 1", between, lambda slope: slope.mean(), **MIX)

# Whole steps. What the streams ("gradient-penalty", 0 to 2) of seed 0 draw:
DRAWN = [0.969190419103194, 0.0366166985497588, 0.10598385371094954]
DRAWN = torch.tensor(DRAWN, dtype=torch.float64).reshape(3, 1, 1, 1)
FAKE = (1, *IMAGES[1:])


def step(name, loss, regularise, weight=1.0):
    """`regularise(critic, real, fake)` gives {column: (weight, term)}."""
    of_real, of_fake, of_generator = LOSSES[loss]
    p = Inputs(**CRITIC)
    image = numbers(8, *FAKE, scale=0.6, shift=0.1).requires_grad_()
    real, fake = numbers(7, *IMAGES, scale=0.9), image.expand(*IMAGES)
    real_loss, fake_loss = of_real(judge(p, real)), of_fake(judge(p, fake.detach()))
    penalties = regularise(p, real, fake.detach())
    total = weight * (real_loss + fake_loss) + sum(weight * term for weight, term in penalties.values())
    gradients = dict(zip(p, torch.autograd.grad(total, list(p.values()), allow_unused=True)))
    gradients = {n: torch.zeros_like(p[n]) if g is None else g for n, g in gradients.items()}
    after = {n: (t - gradients[n]).detach() for n, t in p.items()}
    generator = of_generator(judge(after, fake))
    columns = {"loss_d": total, "loss_d_real": real_loss, "loss_d_fake": fake_loss, "loss_g": generator}
    columns |= {column: term for column, (_, term) in penalties.items()}
    steps[name] = {
        "value": {column: flat(value)[0] for column, value in columns.items()},
        "critic": {n: flat(g) for n, g in gradients.items()},
        "generator": flat(torch.autograd.grad(generator, image)[0]),
    }


def wgan_gp(p, real, fake):
    return {"gradient_penalty": (10, two_sided(slopes(p, DRAWN * real + (1 - DRAWN) * fake)))}


def r1(p, real, fake):
    return {"r1": (0.5, (slopes(p, real) ** 2).mean())}


def both(p, real, fake):
    return {"r1": (0.1, (slopes(p, real) ** 2).mean()), "r2": (0.3, (slopes(p, fake) ** 2).mean())}


def div_at_both(p, real, fake):
    """As in the code that takes slopes at real and fake images: mean(|real|^p + |fake|^p) * k / 2."""
    return {"divergence": (2, (slopes(p, real) ** 6 + slopes(p, fake) ** 6).mean() / 2)}


def div_between(p, real, fake):
    return {"divergence": (2, (slopes(p, DRAWN * real + (1 - DRAWN) * fake) ** 6).mean())}


step("bce", "bce", lambda p, real, fake: {})
step("minimax", "minimax", lambda p, real, fake: {})
step("lsgan", "lsgan", lambda p, real, fake: {})
step("hinge, r1 and r2", "hinge", both)
step("bce and r1", "bce", r1)
step("wgan-gp", "wasserstein", wgan_gp)
# (D(fake) - D(real)) / 2 + GP: half the critic's own term, all of its penalty.
step("wgan-gp, half the critic", "wasserstein", wgan_gp, weight=0.5)
step("wgan-div between", "wasserstein", div_between)
step("wgan-div at both", "wasserstein", div_at_both)


def lines(cases):
    return "{" + ",\n".join(f"{json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()) + "}"


print('{"terms": ' + lines(terms) + ',\n"steps": ' + lines(steps) + "}")
