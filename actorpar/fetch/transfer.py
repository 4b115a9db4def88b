"""A large file on its way: one owner and its helpers bring ranges, one writer puts them on disk.

The streams share a Transfer. Each takes a claim from the plan, brings its bytes and hands them to the writer in pieces,
through one channel of two places: a slow disk fills it, the streams stop reading, the sockets stall.
A claim is released after its bytes were handed over, so a plan that is complete has nothing left in any stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import actorpar as ap
from actorpar.channels import env

from .errors import Changed, FetchError, ShortBody
from .landing import unbroken
from .messages import Piece
from .resume import Version, check_range, range_version, version_of

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from .client import Client
    from .job import Job
    from .limits import TokenBucket
    from .partfile import PartFile
    from .plan import Claim, Plan
    from .reading import Intake

#: Pieces between the streams of a file and its writer.
PIECES = 2


class RangesIgnored(Changed):
    """The server answers a range with the whole file: one stream, from the beginning."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A claim, the answer that brings its bytes, and the byte up to which the answer goes if it is let."""

    claim: Claim
    answer: ClientResponse
    covered: int


class Transfer:
    """What the streams of one large file share."""

    def __init__(self, job: Job, version: Version, plan: Plan, pieces: ap.Sender[Piece], *, split: int) -> None:
        #: Whether what came can be trusted to go with what is to come.
        self.resumable = version.validator is not None or job.checksum is not None
        self.job = job
        self.version = version
        self.plan = plan
        self.pieces = pieces
        self.split = split if self.resumable else 1
        self.helpers = 0
        self.most = 1
        self.received = 0
        self.over = False
        self.error: FetchError | None = None
        self._answers: dict[int, ClientResponse] = {}
        #: Whether the server was seen to serve a range.
        self.proven = False
        #: Something about the helpers changed; for the owner, who may be waiting for it.
        self.news_sender, self.news = ap.open_channel[None](1, overflow="latest", name="news of helpers")

    @property
    def wants_help(self) -> bool:
        """Whether one more stream would be of use."""
        return not self.over and self.helpers + 1 < self.split and self.plan.room() > 0

    def survives(self, error: FetchError) -> bool:
        """Whether the owner may go on after a failure: the rest is not for another try of the whole job."""
        about_this = not isinstance(error, Changed) and not error.host_wide and self.job.usable == 1
        return self.resumable and error.retryable and about_this

    def helper_left(self) -> None:
        """A helper ended."""
        self.helpers -= 1
        self._tell()

    def range_came(self) -> None:
        """The server serves ranges."""
        if not self.proven:
            self.proven = True
            self._tell()

    def _tell(self) -> None:
        if not self.over:
            self.news_sender.send_nowait(None)

    async def runs_on(self, claim: Claim, covered: int) -> bool:
        """Let a claim that was met run on, if what follows is nobody's and the answer covers it.

        The owner's answer is the whole file. It is not given up for ranges before one of them was seen to come: with
        a server that ignores ranges it is the only way.
        """
        while not self.plan.extend(claim, covered):
            if self.proven or not self.helpers or claim.stop >= covered:
                return False
            await self.news.receive()
        return True

    def stop(self, error: FetchError) -> None:
        """End all streams of the file for this reason; the first reason counts."""
        self.error = self.error or error
        for answer in list(self._answers.values()):
            answer.close()

    def finish(self, failure: FetchError | None) -> None:
        """No stream may begin any more; what was handed over is still written."""
        self.over = True
        if failure is None:
            self.pieces.close()
        else:
            self.stop(failure)
            self.pieces.abort(failure, after_drain=True)

    def close(self) -> None:
        """Nothing of it is used any more."""
        self.over = True
        for end in (self.pieces, self.news_sender, self.news):
            end.close()

    def began(self, answer: ClientResponse) -> None:
        """Note an answer that `stop` is to close."""
        self._answers[id(answer)] = answer
        self.most = max(self.most, len(self._answers))

    def ended(self, answer: ClientResponse) -> None:
        """Forget an answer; close its connection unless it was read to its end."""
        self._answers.pop(id(answer), None)
        if not answer.content.at_eof():
            answer.close()


async def pull(
    client: Client,
    intake: Intake,
    transfer: Transfer,
    pieces: ap.Sender[Piece],
    piece: int,
    begun: Begun | None = None,
) -> None:
    """Bring one claim after the other until none is left for this stream; raises FetchError."""
    while not transfer.over:
        claim = begun.claim if begun is not None else transfer.plan.claim()
        if claim is None:
            return
        try:
            await _bring(intake, transfer, pieces, piece, begun or await _open(client, transfer, claim))
        except FetchError as error:
            raise transfer.error or error from None
        except ap.ChannelError as error:
            raise _reason(transfer, error) from None
        finally:
            transfer.plan.release(claim)
        begun = None


def _reason(transfer: Transfer, error: ap.ChannelError) -> FetchError:
    cause = error.__cause__
    return transfer.error or (cause if isinstance(cause, FetchError) else FetchError(str(error)))


async def _open(client: Client, transfer: Transfer, claim: Claim) -> Begun:
    stop = claim.stop
    answer = await client.open(transfer.job.url, span=(claim.position, stop), if_range=transfer.version.validator)
    try:
        check_span(answer, transfer.version, claim.position, stop)
    except FetchError:
        answer.close()
        raise
    transfer.range_came()
    return Begun(claim, answer, stop)


def check_span(answer: ClientResponse, version: Version, start: int, stop: int) -> None:
    """Raise FetchError unless the answer brings start <= byte < stop of this version."""
    if answer.status == 416:
        raise Changed("the file became shorter on the server", status=416)
    if answer.status == 206:
        told, end = range_version(answer.headers, start)
        check_range(version, told, end, stop)
        return
    if version.contradicts(version_of(answer.headers)):
        raise Changed("the file changed on the server while it was fetched", status=answer.status)
    raise RangesIgnored("the server ignores ranges", status=answer.status)


async def _bring(intake: Intake, transfer: Transfer, pieces: ap.Sender[Piece], size: int, begun: Begun) -> None:
    claim, answer = begun.claim, begun.answer
    piece, surplus = Piece(claim.position, [], 0), b""
    read = intake.reader(answer, transfer.job.host)
    transfer.began(answer)
    try:
        while claim.left > 0 or await transfer.runs_on(claim, begun.covered):
            data = surplus or await read()
            if not data:
                raise ShortBody(f"the body ended {claim.left} bytes early")
            # Another stream may have taken what follows, and may give it back; a whole slice is no copy.
            data, surplus = data[: claim.left], data[claim.left :]
            claim.position += len(data)
            transfer.received += len(data)
            piece.chunks.append(data)
            piece.size += len(data)
            if piece.size >= size:
                full, piece = piece, Piece(claim.position, [], 0)
                await pieces.send(full)
    except FetchError:
        if not transfer.over:
            await pieces.send(piece)
        raise
    finally:
        transfer.ended(answer)
    await pieces.send(piece)


async def writer(pieces: ap.Receiver[Piece], part: PartFile, disk: TokenBucket | None) -> FetchError | None:
    """The one process that writes this file; its result is what it failed by, and every stream learns it, too."""
    try:
        async for piece in pieces:
            if disk is not None and (pause := disk.take(piece.size)):
                await env.sleep(pause)
            await unbroken(part.write, piece.offset, piece.chunks)
    except FetchError as error:
        pieces.abort(error)
        return error
    except ap.ChannelAborted:
        pass  # the owner gave up, after what it had received was written
    return None
