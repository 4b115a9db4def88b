"""Point to point: one process sends, another receives and answers; what MPI does by rank and tag, by two channels.

A channel has one type and keeps its order. Where MPI would tell messages apart by their tags, open a channel for each;
where it receives from any source, give clones of one sending end to many.
"""

import actorpar as ap


async def ask(questions: ap.Sender[int], answers: ap.Receiver[str]) -> list[str]:
    heard = []
    for question in range(3):
        await questions.send(question)  # waits only while the channel is full: MPI_Send with a buffer you can count on
        heard.append(await answers.receive())
    return heard


async def answer(questions: ap.Receiver[int], answers: ap.Sender[str]) -> None:
    async for question in questions:  # ends when the other side has closed, or fails if it was lost
        await answers.send(f"{question} squared is {question * question}")


async def main() -> None:
    questions_tx, questions_rx = ap.open_channel[int](1)
    answers_tx, answers_rx = ap.open_channel[str](1)
    async with ap.ActorSystem() as system:
        here, there = (None, *system.nodes, None)[:2]  # another node, if there is one
        await system.spawn(answer, questions_rx, answers_tx, on=there)
        asking = await system.spawn(ask, questions_tx, answers_rx, on=here)
        print(*await asking, sep="\n")


if __name__ == "__main__":
    ap.run(main)
