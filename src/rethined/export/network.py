"""Where the network of an artefact comes from: the shipped weights, a file or a run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from rethined.errors import CheckpointError
from rethined.files import sha256_of
from rethined.nn.network import NetworkConfig, RethinedNetwork
from rethined.weights import SHIPPED_TENSORS

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Weights:
    """A network in deploy form.

    Attributes:
        network: In float32, whatever the file holds; no gradients.
        sha256: Checksum of the ``.safetensors`` file; of a run, of its averaged weights in half precision.
    """

    network: RethinedNetwork
    sha256: str


def load_weights(place: Path | None = None, config: NetworkConfig | None = None) -> Weights:
    """The network of a file or of a run.

    Args:
        place: A ``.safetensors`` file of the deploy form, a run's folder, or its ``state.pt``; the shipped weights when
            ``None``.
        config: Shape of the network in a file; the shipped one's when ``None``. A run knows its own.

    Raises:
        CheckpointError: ``place`` is neither, cannot be read, or holds another network.
    """
    place = place or SHIPPED_TENSORS
    if place.suffix == SUFFIX:
        return _from_file(place, config)
    # Runs need what only training installs.
    from rethined.train.run import STATE_FILE, read_config
    from rethined.train.state import load_state

    folder = place.parent if place.name == STATE_FILE else place
    network = load_state(folder / STATE_FILE, read_config(folder)).averaged_network()
    if network.config.quantised != "nothing":
        network = network.unquantised()  # formats quantise by themselves, or not at all
    # As a file would hold them: in half precision.
    tensors = {name: tensor.half().contiguous() for name, tensor in network.deploy().state_dict().items()}
    deployed = RethinedNetwork(network.config).deploy()
    deployed.load_state_dict(tensors)
    # No facts beside the tensors: safetensors writes those in any order.
    return Weights(deployed, hashlib.sha256(save(tensors)).hexdigest())


def _from_file(file: Path, config: NetworkConfig | None) -> Weights:
    network = RethinedNetwork(config).deploy()
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(file).items()})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read as {SUFFIX} weights ({error})") from error
    except RuntimeError as error:
        raise CheckpointError(
            f"{file} holds another network than {network.config}; give weights of that one"
        ) from error
    return Weights(network, sha256_of(file))
