"""One large array for all workers of a pool, without a copy: each reads rows of an image, and gives smooth ones back.

`ap.empty_shared` makes an array in memory that the processes of this host share. A worker that returns such an array
gives it away: it is not copied either.
"""

import numpy as np

import actorpar as ap

ROWS, COLUMNS, BLOCK = 1_600, 1_000, 400


def smooth(image: np.ndarray, first: int) -> np.ndarray:
    """The rows from `first` on, each pixel the mean of itself and its neighbours in the row."""
    block = image[first : first + BLOCK]
    result: np.ndarray = ap.empty_shared(block.shape)
    result[:] = (np.roll(block, 1, axis=1) + block + np.roll(block, -1, axis=1)) / 3
    return result


async def main() -> None:
    image = ap.empty_shared((ROWS, COLUMNS))
    image[:] = np.arange(COLUMNS) % 5
    async with ap.ProcessPool(2) as pool:
        blocks = await pool.starmap(smooth, [(image, first) for first in range(0, ROWS, BLOCK)])
    print(f"{sum(map(len, blocks))} rows; their deviation was {image.std():.2f} and is {np.vstack(blocks).std():.2f}")


if __name__ == "__main__":
    ap.run(main)
