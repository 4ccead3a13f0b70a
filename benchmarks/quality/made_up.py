"""Writes made_up.json: dialogues and questions in the LoCoMo format, from a fixed seed. Nobody in it exists.

python benchmarks/quality/made_up.py

Two people talk every other week for a year, in as many sessions of as many turns as LoCoMo's. A fact is told in one of
several wordings, often as the answer to a question, so that the turn itself lacks the words that name what it is about;
every other one is remarked upon. Questions are of five categories: `1` multi-hop (two turns, of different sessions),
`2` temporal (the same thing happened twice, the question names the month), `3` paraphrase (other words than were said),
`4` single-hop (words that were said), `5` distractor (the other speaker said something alike). Small talk about the
same subjects lies in between.
"""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from pathlib import Path

SEED = 20260101
DIALOGUES = 8
SESSIONS = 28
SMALL_TALK = 8  # pairs of turns a session
FIRST_DAY, DAYS_BETWEEN = date(2024, 1, 9), 14
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
    "home": (["Have you settled in?", "How are the new neighbours?"],
             ["We moved into {v} last month.", "It is {v}, boxes everywhere.", "I signed the lease for {v}."],
             ["Where did {n} sign the lease?", "What did {n} move into last month?"],
             ["In what kind of place does {n} live?", "Which dwelling has {n} rented?"],
             ["a houseboat", "a flat above a cinema", "an old mill", "a cottage by the dunes", "a loft in the docks",
              "a room at the station"]),
    "book": (["Are you reading anything good?", "What is that on your table?"],
             ["I cannot put down {v}.", "{V}, I am on the last chapter.", "I borrowed {v} from the library."],
             ["What did {n} borrow from the library?", "What can {n} not put down?"],
             ["Which novel has {n} been absorbed in?", "What literature does {n} enjoy?"],
             ["a story about lighthouse keepers", "memoirs of a spy", "an atlas of lost islands",
              "a thriller set in Lima", "letters of a beekeeper", "a history of salt"]),
    "music": (["How was Saturday night?", "You are humming, what is it?"],
              ["We heard {v} and danced until two.", "I got the last tickets for {v}.",
               "{V} played, my ears still ring."],
              ["Who played when {n} danced until two?", "What did {n} get the last tickets for?"],
              ["Which concert has {n} attended?", "What performers did {n} see on stage?"],
              ["a brass band", "a Bach choir", "a tango trio", "an organ recital", "a punk revival",
               "a gamelan group"]),
    "vehicle": (["How do you get around now?", "Did it start this morning?"],
                ["I finally bought {v}.", "I drive {v} these days, it rattles.", "My uncle left me {v}."],
                ["What did the uncle leave to {n}?", "What did {n} finally buy?"],
                ["Which means of transport does {n} own?", "What does {n} commute with?"],
                ["a yellow van", "a cargo tricycle", "a moped with a sidecar", "a dented estate car",
                 "an electric scooter", "a milk float"]),
    "garden": (["Is anything growing yet?", "What are you doing with all that earth?"],
               ["I planted {v} along the wall.", "The frost took everything but {v}.", "I am drowning in {v}."],
               ["What did {n} plant along the wall?", "What did the frost leave to {n}?"],
               ["Which crop does {n} grow?", "What has {n} cultivated outdoors?"],
               ["quinces", "black tomatoes", "climbing beans", "artichokes", "sweet peas", "a fig tree"]),
    "help": (["Where do you go on Sundays?", "Why are you so tired?"],
             ["I help out at {v}.", "They needed hands at {v}, so I said yes.", "I spend my Sundays at {v}."],
             ["Where does {n} help out?", "Where did they need the hands of {n}?"],
             ["At which charity does {n} volunteer?", "What good cause does {n} give time to?"],
             ["the soup kitchen", "a refuge for owls", "the repair cafe", "a school for the deaf",
              "the lifeboat station", "a home for old sailors"]),
}  # fmt: skip
REMARKS = ["{V}, really?", "I would never have thought of {v}.", "Good for you.", "Tell me more when we meet.", "Ha!",
           "That sounds like you.", "I am so happy for you.", "Oh no, and now?"]  # fmt: skip
# Who says something, and what is said to it. Subjects of facts turn up here, too, with nothing to tell.
CHAT = [
    ("How was your week?", "Long, but fine, {day} above all."),
    ("It has rained here since {day}.", "Same here, the {place} is a river."),
    ("I keep thinking about the holidays.", "Me too, the train tickets are so expensive."),
    ("Work is work, {day} was endless.", "At least the {thing} at my office is repaired."),
    ("The doctor next door has a new dog.", "The one in our {place} barks every {day}."),
    ("My neighbour cooks every evening, the smell is unbearable.", "Mine fries fish on {day}s."),
    ("Did you watch the match on {day}?", "No, I fell asleep on the sofa."),
    ("We should meet for coffee.", "Any day but {day}."),
    ("My sister says hello.", "Tell her hello from me, and bring back her {thing}."),
    ("The bicycle lane by the {place} is closed again.", "Of course it is, since {day}."),
    ("I read half a book about gardens.", "I left mine in the {place}."),
    ("Birthdays are for children, I say.", "You say that every year, and then you want a {thing}."),
    ("Somebody took my {thing}.", "Look in the {place}, it is always there."),
    ("The {thing} broke again on {day}.", "Buy a new one, I say it every time."),
    ("Is the {place} open on {day}?", "Only in the morning, I think."),
    ("I dreamt of the {place} again.", "You work too much."),
    ("There was a concert in the {place}, I heard it through the window.", "Was it any good?"),
    ("The library closes for repairs on {day}.", "Then I must return my {thing} before."),
    ("My knee hurts whenever it snows.", "Mine does on {day}s, of all days."),
    ("A van blocked the {place} all {day}.", "I saw it, nobody could get out."),
    ("They want volunteers to paint the {place}.", "Not on a {day}, I hope."),
    ("The lease of our office ends in autumn.", "They will find something near the {place}."),
    ("I forgot to water the plants on {day}.", "They will live, plants are tougher than a {thing}."),
    ("Have you seen my {thing}?", "You lent it to your sister."),
]
SLOTS = {
    "day": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "place": ["street", "yard", "harbour", "park", "market", "town hall", "swimming pool", "car park", "bakery"],
    "thing": ["kettle", "umbrella", "ladder", "lamp", "printer", "coat", "suitcase", "drill", "radio", "heater"],
}

Turn = tuple[str, str, object]  # speaker, text, what it tells


def day_of(session: int) -> date:
    """The day of a session."""
    return FIRST_DAY + timedelta(days=DAYS_BETWEEN * session)


def apart(chance: random.Random) -> list[int]:
    """Two sessions of different months."""
    while True:
        found = sorted(chance.sample(range(SESSIONS), 2))
        if len({(day_of(it).year, day_of(it).month) for it in found}) == 2:
            return found


def told_facts(
    speakers: list[str], chance: random.Random
) -> tuple[list[list[list[Turn]]], dict[tuple[str, str, int], tuple[int, str]]]:
    """(blocks of turns by session, the session and the value of each fact)."""
    blocks: list[list[list[Turn]]] = [[] for _ in range(SESSIONS)]
    told: dict[tuple[str, str, int], tuple[int, str]] = {}
    for subject, (asks, answers, *_rest, values) in FACTS.items():
        for speaker, other in (speakers, speakers[::-1]):
            # The same subject comes up twice for each, in different months, with different values.
            for turn, session in enumerate(apart(chance)):
                taken = [told[one, subject, t][1] for one in speakers for t in (0, 1) if (one, subject, t) in told]
                value = chance.choice([it for it in values if it not in taken])
                told[speaker, subject, turn] = session, value
                shown = {"v": value, "V": value[0].upper() + value[1:]}
                block: list[Turn] = [(other, chance.choice(asks), None)]
                block.append((speaker, chance.choice(answers).format(**shown), (speaker, subject, turn)))
                if chance.random() < 0.5:
                    block.append((other, chance.choice(REMARKS).format(**shown), None))
                blocks[session].append(block)
    return blocks, told


def small_talk(speakers: list[str], chance: random.Random) -> list[Turn]:
    """A pair of turns that tell nothing."""
    pair = chance.sample(speakers, 2)
    lines = chance.choice(CHAT)
    return [
        (who, line.format(**{slot: chance.choice(known) for slot, known in SLOTS.items()}), None)
        for who, line in zip(pair, lines, strict=True)
    ]


def dialogue(number: int, chance: random.Random) -> dict:
    """One sample: a conversation of SESSIONS sessions and the questions about it."""
    speakers = NAMES[2 * number : 2 * number + 2]
    blocks, told = told_facts(speakers, chance)
    conversation: dict[str, object] = {"speaker_a": speakers[0], "speaker_b": speakers[1]}
    places: dict[object, str] = {}
    for at, facts in enumerate(blocks):
        mixed = facts + [small_talk(speakers, chance) for _ in range(SMALL_TALK)]
        chance.shuffle(mixed)
        said = []
        for count, (speaker, text, tells) in enumerate((turn for block in mixed for turn in block), 1):
            name = f"D{at + 1}:{count}"
            if tells is not None:
                places[tells] = name
            said.append({"speaker": speaker, "dia_id": name, "text": text})
        conversation[f"session_{at + 1}"] = said
        conversation[f"session_{at + 1}_date_time"] = f"1:00 pm on {day_of(at).day} {day_of(at):%B, %Y}"
    qa = []
    for subject, (_asks, _answers, same, other_words, _values) in FACTS.items():
        for speaker in speakers:
            both = [places[speaker, subject, turn] for turn in (0, 1)]
            turn = chance.randrange(2)
            session, value = told[speaker, subject, turn]
            everything = " and ".join(told[speaker, subject, t][1] for t in (0, 1))
            qa.append((4, chance.choice(same).format(n=speaker), everything, both))
            qa.append((3, chance.choice(other_words).format(n=speaker), everything, both))
            when = f"{day_of(session):In %B %Y}"
            qa.append((2, f"{when}: " + chance.choice(same).format(n=speaker), value, [both[turn]]))
            qa.append((5, f"Was it {speaker} who had to do with {value}?", "yes", [both[turn]]))
        pair = [places[speaker, subject, 0] for speaker in speakers]
        question = chance.choice(other_words).format(n=" and ".join(speakers))
        qa.append((1, question, " and ".join(told[speaker, subject, 0][1] for speaker in speakers), pair))
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
