"""Sequence mixing that segmentation and forecasting share: the selective scan and the Mamba blocks.

Everything runs on a CPU or a GPU, trains, and exports to ONNX with dynamic batch and length. Nothing here needs a
CUDA compiler: for tensors on CUDA there are kernels in Triton, which torch's CUDA builds bring along. Unless said
otherwise, arguments after the data are keyword-only.

Functions (B batch, L length, D channels, N states, G groups, H heads, P channels per head, K taps)::

    selective_scan(u, delta, A, B, C, D=None, z=None, delta_bias=None, *, delta_softplus=False, h0=None,
                   return_last_state=False, dt=None)
        u, delta, z (B, D, L); A (D, N); B, C (B, N, L), (D, N) or (B, G, N, L); D, delta_bias (D,);
        h0 (B, D, N); dt (B, L)  ->  y (B, D, L) [, last_state (B, D, N)]
    ssd_scan(x, delta, A, B, C, D=None, z=None, delta_bias=None, *, delta_softplus=False, h0=None,
             return_last_state=False, dt=None, chunk_size=64)
        x, z (B, L, H, P); delta (B, L, H); A, delta_bias (H,); B, C (B, L, G, N); D (H,) or (H, P);
        h0 (B, H, P, N); dt (B, L)  ->  y (B, L, H, P) [, last_state (B, H, P, N)]
    causal_conv1d(x, weight, bias=None, *, activation=None, initial_state=None, return_last_state=False)
        x (B, D, L); weight (D, K); bias (D,)  ->  y (B, D, L) [, last_state (B, D, K-1)]
    from_mamba_ssm(state_dict, *, norm=None), to_mamba_ssm(state_dict)
        state dicts between mamba-ssm's Mamba or Mamba2 and a block of one direction

Blocks, each x + drop_path(mixer(norm(x))), shape of the output that of the input::

    MambaBlock(d_model, *, d_state=16, d_conv=4, expand=2, dt_rank="auto", drop_path=0.0, bidirectional=False)
    Mamba2Block(d_model, *, d_state=64, d_conv=4, expand=2, headdim=64, ngroups=1, drop_path=0.0,
                bidirectional=False, chunk_size=64)          headdim divides expand * d_model
    MambaStack(blocks)
        forward(x, *, dt=None): x (B, L, d_model), dt (B, L) gaps to the sample before, at least 0
        step(x, state=None, *, dt=None) -> (y, state): x (B, d_model), dt (B,); one direction only
    SS2DBlock(d_model, *, core="mamba2", d_state=16, d_conv=3, expand=2, dt_rank="auto", headdim=16,
              drop_path=0.0, chunk_size=64)                  core "mamba" or "mamba2"
        forward(x): x (B, d_model, H, W)
    Mamba, Mamba2, MixerState, DropPath: the parts.

``dt`` scales the decay between samples, see :func:`selective_scan`.

What runs a scan is chosen by device and logged once (logger ``glaciertime.nn.backends``, level INFO): on the CPU
kernels compiled by numba, on CUDA (compute capability 8.0 or newer) kernels compiled by Triton, both with their own
backward pass and memory of the order of the input; else mamba-ssm where it imports, else chunks in plain torch. The
environment variable GLACIERTIME_SCAN overrides: compiled, triton, chunked, reference or mamba_ssm. Numba and Triton
compile at the first call and keep the result in their cache folders (NUMBA_CACHE_DIR, TRITON_CACHE_DIR). Threads
follow ``torch.set_num_threads``. ``torch.compile`` goes on through the Triton kernels as operators of torch and
interrupts its graph for the others; an exported graph has torch's own operators.

To export a block for any batch and length, with ``free = torch.export.Dim.DYNAMIC``::

    torch.onnx.export(block, (x,), kwargs={"dt": dt}, dynamo=True,
                      dynamic_shapes={"x": {0: free, 1: free}, "dt": {0: free, 1: free}})
"""

from glaciertime.nn.blocks import DropPath, Mamba2Block, MambaBlock, MambaStack
from glaciertime.nn.conv import causal_conv1d
from glaciertime.nn.image import SS2DBlock
from glaciertime.nn.mixers import Mamba, Mamba2, MixerState
from glaciertime.nn.scan import selective_scan
from glaciertime.nn.ssd import ssd_scan
from glaciertime.nn.weights import from_mamba_ssm, to_mamba_ssm

__all__ = [
    "DropPath",
    "Mamba",
    "Mamba2",
    "Mamba2Block",
    "MambaBlock",
    "MambaStack",
    "MixerState",
    "SS2DBlock",
    "causal_conv1d",
    "from_mamba_ssm",
    "selective_scan",
    "ssd_scan",
    "to_mamba_ssm",
]
