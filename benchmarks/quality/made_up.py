"""Writes made_up.json: dialogues and questions in the LoCoMo format, from a fixed seed. Nobody in it exists.

python benchmarks/quality/made_up.py

Two people talk in some ten sessions over a year. A fact is told in one of several wordings, often as the answer to a
question, so that the turn itself lacks the words that name what it is about. Questions are of five categories: `1`
multi-hop (two turns, of different sessions), `2` temporal (the same thing happened twice, the question names the
month), `3` paraphrase (other words than were said), `4` single-hop (words that were said), `5` distractor (the other
speaker said something alike). Small talk about the same subjects lies in between.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

SEED = 20260101
DIALOGUES = 8
SESSIONS = 10
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October"]
NAMES = ["Mara", "Tomas", "Ines", "Piet", "Lena", "Yusuf", "Dora", "Hugo", "Nadia", "Oskar", "Ruth", "Emil", "Vera",
         "Felix", "Hana", "Bruno"]  # fmt: skip

# subject: questions in the dialogue, wordings of the answer, questions with its words, in other words, values
FACTS: dict[str, tuple[list[str], list[str], list[str], list[str], list[str]]] = {
    "pet": (["Do you still have an animal at home?", "Who is that barking behind you?"],
            ["Yes, {v} keeps me company these days.", "That is {v}, and not quiet for a minute.",
             "Oh, we took in {v} from the shelter."],
            ["Which pet did {n} take in from the shelter?", "Who keeps {n} company at home?"],
            ["What creature lives with {n}?", "Which animal has {n} adopted?"],
            ["a one-eyed cat", "an old beagle", "two parrots", "a lame tortoise", "a grey rabbit", "a terrier puppy"]),
    "job": (["How is work treating you?", "Are you still at the same place?"],
            ["I started as {v} and I am exhausted.", "They made me {v}, can you believe it?",
             "I am {v} now, with a badge and everything."],
            ["What did {n} start to work as?", "What is {n} at work now?"],
            ["Which profession does {n} have?", "How does {n} earn a living?"],
            ["a night nurse", "a tram driver", "a head gardener", "a translator at court", "a museum guard",
             "a piano tuner"]),
    "trip": (["Did you get away at all?", "You look rested, where have you been?"],
             ["We spent a week in {v}.", "Just back from {v}, sand in every pocket.",
              "I took the train to {v} on a whim."],
             ["Where did {n} spend a week?", "Where did {n} take the train to?"],
             ["Which place did {n} visit on holiday?", "What was the destination of the vacation of {n}?"],
             ["Trieste", "the Faroe Islands", "Porto", "Gdansk", "the Peloponnese", "Tallinn"]),
    "food": (["What did you cook for everybody?", "Did dinner go well?"],
             ["I made {v} and there was nothing left.", "Burned the first one, then {v} came out fine.",
              "My grandmother's recipe: {v}."],
             ["What did {n} make for dinner?", "Which recipe of the grandmother did {n} use?"],
             ["Which dish did {n} prepare for the guests?", "What meal did {n} serve?"],
             ["dumplings with plums", "a lentil stew", "stuffed peppers", "a leek pie", "fish soup",
              "a saffron risotto"]),
    "hobby": (["What do you do with your evenings?", "Anything new in your spare time?"],
              ["I signed up for {v}.", "Mostly {v}, it calms me.", "You will laugh: {v}, twice a week."],
              ["What did {n} sign up for?", "What does {n} do in the evenings?"],
              ["Which pastime has {n} taken up?", "How does {n} relax after hours?"],
              ["a pottery class", "fencing lessons", "choir practice", "astronomy nights", "bookbinding", "rowing"]),
    "family": (["How are they all at home?", "Any news of your sister?"],
               ["My sister {v}.", "She {v}, we are all still talking about it.", "Well, she {v} and told nobody."],
               ["What did the sister of {n} do?", "What is the news of the sister of {n}?"],
               ["What happened to the sibling of {n}?", "What did a close relative of {n} decide?"],
               ["moved to Oslo", "is having twins", "quit medicine", "bought a bakery", "married a pilot",
                "joined a circus"]),
    "health": (["And your knee?", "What did the doctor say?"],
               ["It turned out to be {v}.", "They found {v}, nothing to worry about.",
                "Six weeks of rest because of {v}."],
               ["What did the doctor find with {n}?", "Why does {n} need six weeks of rest?"],
               ["Which medical problem has {n}?", "What ailment was {n} diagnosed with?"],
               ["a torn ligament", "a pollen allergy", "a cracked rib", "low iron", "a pinched nerve", "tendonitis"]),
    "present": (["What did you get for your birthday?", "Did they surprise you?"],
                ["They all chipped in for {v}.", "I unwrapped {v} and cried.", "{V}, imagine, after all these years."],
                ["What did they chip in for as a birthday present of {n}?", "What did {n} unwrap?"],
                ["Which gift was {n} given?", "What did friends buy {n} to celebrate?"],
                ["a telescope", "a red bicycle", "an accordion", "a sewing machine", "a wooden canoe", "a rare stamp"]),
}  # fmt: skip
CHAT = [
    "How was your week?", "Long, but fine.", "It has rained here since Monday.", "Same here, the street is a river.",
    "I keep thinking about the holidays.", "Me too, the train tickets are so expensive.", "Work is work.",
    "The doctor next door has a new dog.", "My neighbour cooks every evening, the smell is unbearable.",
    "Did you watch the match?", "No, I fell asleep on the sofa.", "We should meet for coffee.", "Any day but Thursday.",
    "My sister says hello.", "Tell her hello from me.", "The bicycle lane is closed again.", "Of course it is.",
    "I read half a book about gardens.", "Birthdays are for children, I say.", "You say that every year.",
]  # fmt: skip


def dialogue(number: int, chance: random.Random) -> dict:
    """One sample: a conversation of SESSIONS sessions and the questions about it."""
    speakers = NAMES[2 * number : 2 * number + 2]
    sessions: list[list[tuple[str, str, object]]] = [[] for _ in range(SESSIONS)]  # (speaker, text, what it tells)
    told: dict[tuple[str, str, int], int] = {}
    values = {}
    for subject, (asks, answers, *_rest, all_values) in FACTS.items():
        for speaker in speakers:
            # The same subject comes up twice for each, in different months, with different values.
            for turn, session in enumerate(sorted(chance.sample(range(SESSIONS), 2))):
                taken = [values.get((one, subject, t)) for one in speakers for t in (0, 1)]
                value = chance.choice([it for it in all_values if it not in taken])
                values[speaker, subject, turn] = value
                told[speaker, subject, turn] = session
                text = chance.choice(answers).format(v=value, V=value[0].upper() + value[1:])
                other = speakers[1 - speakers.index(speaker)]
                sessions[session].append((other, chance.choice(asks), None))
                sessions[session].append((speaker, text, (speaker, subject, turn)))
    conversation: dict[str, object] = {"speaker_a": speakers[0], "speaker_b": speakers[1]}
    places: dict[object, str] = {}
    for at, turns in enumerate(sessions):
        pairs = [turns[i : i + 2] for i in range(0, len(turns), 2)]
        small_talk = [[(speakers[(i + j) % 2], chance.choice(CHAT), None) for j in range(2)] for i in range(8)]
        blocks = pairs + small_talk
        chance.shuffle(blocks)
        said = []
        for count, (speaker, text, tells) in enumerate((turn for block in blocks for turn in block), 1):
            name = f"D{at + 1}:{count}"
            if tells is not None:
                places[tells] = name
            said.append({"speaker": speaker, "dia_id": name, "text": text})
        conversation[f"session_{at + 1}"] = said
        conversation[f"session_{at + 1}_date_time"] = f"1:00 pm on 5 {MONTHS[at]}, 2025"
    qa = []
    for subject, (_asks, _answers, same, other_words, _values) in FACTS.items():
        for speaker in speakers:
            both = [places[speaker, subject, turn] for turn in (0, 1)]
            turn = chance.randrange(2)
            month = MONTHS[told[speaker, subject, turn]]
            value = values[speaker, subject, turn]
            everything = " and ".join(values[speaker, subject, t] for t in (0, 1))
            qa.append((4, chance.choice(same).format(n=speaker), everything, both))
            qa.append((3, chance.choice(other_words).format(n=speaker), everything, both))
            qa.append((2, f"In {month}: " + chance.choice(same).format(n=speaker), value, [both[turn]]))
            qa.append((5, f"Was it {speaker} who had to do with {value}?", "yes", [both[turn]]))
        pair = [places[speaker, subject, 0] for speaker in speakers]
        question = chance.choice(other_words).format(n=" and ".join(speakers))
        qa.append((1, question, " and ".join(values[speaker, subject, 0] for speaker in speakers), pair))
    return {
        "sample_id": f"made-up-{number}",
        "conversation": conversation,
        "qa": [{"category": c, "question": q, "answer": a, "evidence": e} for c, q, a, e in qa],
    }


def samples() -> list[dict]:
    """The whole set."""
    chance = random.Random(SEED)
    return [dialogue(number, chance) for number in range(DIALOGUES)]


if __name__ == "__main__":
    target = Path(__file__).with_name("made_up.json")
    target.write_text(json.dumps(samples(), indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{target.stat().st_size:,} bytes")
