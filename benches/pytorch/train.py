#!/usr/bin/env python3
"""Times training steps in PyTorch: the counterpart of benches/train.rs, with the same flags and output.

One JSON object a round on standard output:
  side, version, workload, batch, layout, threads, device   what was run
  seconds_per_step    median over the steps of the round
  images_per_second   batch / seconds_per_step
  peak_mb             the process's largest resident set so far (on CUDA: of the allocator)
  idle_mb             the same before any tensor was made: what the libraries take
  cpu_per_step        processor time of all threads, a step, in seconds: what is left of the figure above
                      when others use the machine, too
  gflop               floating-point operations that a step needs for convolutions and products, in 10^9

For CPU timings set OMP_WAIT_POLICY=PASSIVE and GOMP_SPINCOUNT=0 when anything else runs beside.
"""

import argparse
import contextlib
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from networks import Flops, dcgan_init, networks

WORKLOADS = {}


def workload(name):
    return lambda function: WORKLOADS.setdefault(name, function)


def images(setup, size):
    """Synthetic images in [-1, 1]."""
    x = torch.rand(setup.batch, 3, size, size, device=setup.device) * 2 - 1
    return x.to(memory_format=setup.format)


@workload("dcgan-64")
def dcgan(setup):
    """One step of each network, as in PyTorch's DCGAN tutorial.

    The discriminator goes forward three times and back three times, but twice not to its input and once not to
    its weights; the generator once forward and back."""
    nets = networks("dcgan-64", channels=3, latent=100)
    generator, discriminator = (setup.prepare(nets[n].apply(dcgan_init)) for n in ("generator", "discriminator"))
    descend_g, descend_d = setup.adam(generator, 2e-4, 0.5, 0.999), setup.adam(discriminator, 2e-4, 0.5, 0.999)
    real = images(setup, 64)
    ones, zeros = (torch.full((setup.batch, 1), v, device=setup.device) for v in (1.0, 0.0))
    loss = F.binary_cross_entropy_with_logits

    def step():
        discriminator.requires_grad_(True)
        descend_d.zero_grad()
        with setup.precision():
            loss_real = loss(discriminator(real), ones)
        loss_real.backward()
        with setup.precision():
            fake = generator(torch.randn(setup.batch, 100, device=setup.device))
            loss_fake = loss(discriminator(fake.detach()), zeros)
        loss_fake.backward()
        descend_d.step()

        discriminator.requires_grad_(False)
        descend_g.zero_grad()
        with setup.precision():
            loss_g = loss(discriminator(fake), ones)
        loss_g.backward()
        descend_g.step()
        return loss_real.item() + loss_fake.item() + loss_g.item()

    g, d = Flops(generator, torch.zeros(1, 100)), Flops(discriminator, torch.zeros(1, 3, 64, 64))
    return step, 8 * d.all - 2 * d.first + 3 * g.all - g.first


@workload("wgan-gp-64")
def wgan_gp(setup):
    """One step of the critic (Gulrajani et al. 2017, algorithm 1).

    The generator goes forward. Real and fake: the critic forward and back to the weights. Between them: forward,
    back to the image, and that way back again: once more forward, and to the weights. (The activations have no
    second derivative.)"""
    nets = networks("wgan-gp-64", channels=3, latent=100)
    generator, critic = (setup.prepare(nets[name]) for name in ("generator", "discriminator"))
    descend = setup.adam(critic, 1e-4, 0.0, 0.9)
    real = images(setup, 64)

    def step():
        descend.zero_grad()
        with setup.precision():
            with torch.no_grad():
                fake = generator(torch.randn(setup.batch, 100, device=setup.device))
            loss = critic(fake).mean() - critic(real).mean()
            mix = torch.rand(setup.batch, 1, 1, 1, device=setup.device)
            between = torch.lerp(fake.to(real.dtype), real, mix).requires_grad_()
            scores = critic(between)
        (slope,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        loss = loss + 10 * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        loss.backward()
        descend.step()
        return loss.item()

    g, d = Flops(generator, torch.zeros(1, 100)), Flops(critic, torch.zeros(1, 3, 64, 64))
    return step, g.all + 10 * d.all - 2 * d.first


@workload("resnet")
def resnet(setup):
    """One step of the classifier that judges: ResNet-18 of half the width on 32x32 images."""
    judge = setup.prepare(networks("resnet-18-small", channels=3, classes=10)["classifier"])
    descend = setup.adam(judge, 1e-3, 0.9, 0.999)
    x, classes = images(setup, 32), torch.arange(setup.batch, device=setup.device) % 10

    def step():
        descend.zero_grad()
        with setup.precision():
            loss = F.cross_entropy(judge(x), classes)
        loss.backward()
        descend.step()
        return loss.item()

    flops = Flops(judge, torch.zeros(1, 3, 32, 32))
    return step, 3 * flops.all - flops.first


@workload("inception-v3")
def inception_v3(setup):
    """The features that FID compares, of images of 299x299, by torch-fidelity's network (with numbers as they come)."""
    import torch_fidelity.feature_extractor_inceptionv3 as fidelity

    extractor = fidelity.FeatureExtractorInceptionV3
    # No weights to load, and nothing to resize.
    extractor.load_state_dict = lambda *_: None
    fidelity.load_state_dict_from_url = lambda *_, **__: None
    fidelity.interpolate_bilinear_2d_like_tensorflow1x = lambda x, **_: x
    net = setup.prepare(extractor("inception", ["2048"])).eval()
    pixels = torch.randint(256, (setup.batch, 3, 299, 299), dtype=torch.uint8, device=setup.device)
    pixels = pixels.contiguous(memory_format=setup.format)

    def step():
        with torch.no_grad(), setup.precision():
            return net(pixels)[0].cpu()

    return step, Flops(net, pixels[:1].cpu()).all


@workload("gemm")
def gemm(setup):
    """A product of two matrices of 2048x2048: what the machine can do. One "image" of the batch is all of it."""
    matrix = torch.rand(2048, 2048, device=setup.device) * 2 - 1
    return lambda: matrix @ matrix, 2 * 2048**3 / setup.batch


class Setup:
    """How a workload runs: device, memory layout, precision."""

    def __init__(self, options):
        self.batch, self.device = options.batch, options.device
        self.format = torch.channels_last if options.layout == "channels_last" else torch.contiguous_format
        self.options = options

    def prepare(self, module):
        module = module.to(self.device, memory_format=self.format).train()
        return torch.compile(module) if self.options.compile else module

    def adam(self, module, lr, *betas):
        fused = {"fused": True} if self.options.fused_adam else {}
        return torch.optim.Adam(module.parameters(), lr=lr, betas=betas, **fused)

    def precision(self):
        if self.options.precision == "bf16":
            return torch.autocast(self.device.split(":")[0], torch.bfloat16)
        return contextlib.nullcontext()

    def synchronise(self):
        if self.device != "cpu":
            torch.cuda.synchronize()

    def peak_mb(self):
        if self.device != "cpu":
            return torch.cuda.max_memory_allocated() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10, help="steps a round")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before the first round")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="nchw")
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32")
    parser.add_argument("--compile", action="store_true", help="torch.compile every network")
    parser.add_argument("--fused-adam", action="store_true")
    parser.add_argument("--profile", action="store_true", help="print where the time of a round goes instead")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.precision != "f32"
    torch.backends.cudnn.benchmark = True
    setup = Setup(options)
    idle_mb = setup.peak_mb()
    step, flops = WORKLOADS[options.workload](setup)
    for _ in range(options.warm_up):
        step()

    def timed():
        setup.synchronise()
        start = time.perf_counter()
        step()
        setup.synchronise()
        return time.perf_counter() - start

    if options.profile:
        with torch.profiler.profile(record_shapes=True) as profile:
            for _ in range(options.steps):
                step()
        by = f"self_{options.device.split(':')[0]}_time_total"
        print(profile.key_averages(group_by_input_shape=True).table(sort_by=by, row_limit=40, max_src_column_width=0))
        return

    for _ in range(options.rounds):
        cpu = time.process_time()
        seconds = statistics.median([timed() for _ in range(options.steps)])
        print(json.dumps({
            "side": "pytorch",
            "version": torch.__version__,
            "workload": options.workload,
            "batch": options.batch,
            "layout": options.layout,
            "threads": options.threads,
            "device": options.device,
            "precision": options.precision,
            "compile": options.compile,
            "seconds_per_step": seconds,
            "images_per_second": options.batch / seconds,
            "cpu_per_step": (time.process_time() - cpu) / options.steps,
            "peak_mb": setup.peak_mb(),
            "idle_mb": idle_mb,
            "gflop": flops * options.batch / 1e9,
        }))


if __name__ == "__main__":
    main()
