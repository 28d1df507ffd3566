"""The sentences of the made posts. ``{m}`` is the place of the mention, ``{clue}`` of words about the entity."""

# Nothing in these says what kind of thing is meant.
NEUTRAL = """
{m} again today
cannot stop thinking about {m}
so happy with {m}!
look what I found: {m}
who else likes {m}?
{m}, that is all I have to say
my little sister drew {m} for me
guess who has {m} on a shirt now
this made my day: {m}
why does everyone talk about {m}?
just saw {m} on a wall in town
the kids asked me about {m}
{m} everywhere this week
a whole cake with {m} on it
friends, I give you {m}
is it me, or does {m} look different now?
not sure what {m} is doing here
thanks to {m} for a great evening
voted for {m} in the school quiz
my favourite is and stays {m}
I never understood {m}, until today
somebody left a drawing of {m} on my desk
grandma sent me a card with {m}
{m} or nothing
we made {m} out of paper
the answer was {m} all along
I miss {m} a lot
can someone explain {m} to me?
first picture of the year, and it is {m}
that is how you paint {m}
tell me you like {m} without telling me
{m}. no further questions
what a week for {m}
two years ago nobody knew {m}
the best thing in the museum was {m}
I collect everything with {m} on it
""".strip().splitlines()

FLAG = """
the {m} team won again
watching the {m} match with my dad
our {m} trip starts tomorrow
waving for {m} tonight
the {m} embassy is just around the corner
so proud of the {m} athletes
dinner at the {m} restaurant was great
my room mate comes from {m}
packing for {m}
{m} takes the gold
two weeks in {m}, and I do not want to leave
the {m} song should have won
learning the dances of {m}
letters from {m} take three weeks
we sing the anthem of {m} now
there was a ship from {m} in the harbour
the {m} goalkeeper was the best player
my aunt moved to {m}
""".strip().splitlines()

LOGO = """
the {m} conference was full
free {m} shirts at the door
my talk about {m} was accepted
spent the night with {m}, it works now
{m} changed its terms again
job interview at {m} tomorrow
paid with {m} for the first time
everyone at work uses {m} now
new {m} sticker on my laptop
{m} is down, and so am I
I read the manual of {m}, really
the new version of {m} is out
who at {m} made this decision?
we moved everything to {m}
{m} sent me a mug
three tutorials later I still do not get {m}
""".strip().splitlines()

EMOJI = """
my phone only shows {m} now
she answered with nothing but {m}
{m} is my favourite of them all
cookies in the shape of {m}
painted {m} on the fence
my brother went to the party as {m}
send {m} to someone you like
a balloon with {m} on it
there is {m} in every message of hers
I put {m} behind every sentence
a tattoo of {m}, what do you think?
""".strip().splitlines()

# These say in words what is meant.
CLUES = """
{m}: {clue}, and I love it
reading about {m}, {clue}
for those who ask, {m} here means {clue}
today in class: {m} ({clue})
{m}, you know, {clue}
they had a poster about {m}, {clue}
my uncle keeps telling me about {m}, {clue}
all about {m} in ten minutes: {clue}
I mean {m}, {clue}
question five was about {m} ({clue})
{clue}: that is {m}
not many people know {m}, {clue}
a podcast about {m}, {clue}
what I like most: {clue}, so {m}
she wrote a poem about {m}, {clue}
""".strip().splitlines()

# The mention stands in brackets. The picture alone says what is meant.
FLAGS = """
so proud of [our country] today
[the winner] of the final
we landed in [this place] an hour ago
who knows [this flag]?
[my home] in one picture
greetings from [over here]
[their team] played better
saw [this] on a ship in the harbour
[the host] of the next games
which country is [this]?
my pen friend lives [there]
[the visitors] were friendly
flowers for [our guests]
next holiday: [here]
point at [it] on a map, if you can
""".strip().splitlines()

LOGOS = """
who makes [this]?
[this company] has jobs
I use [this tool] every day
found [this sticker] on my desk
whose logo is [it]?
[the sponsor] paid for the pizza
what does [this app] do?
[our supplier] changed everything again
anyone tried [this thing]?
met [these people] at the fair
[they] wrote to me today
a shirt from [them] again
[the usual suspect] was down this morning
name [this one]
my first lines for [this project] were accepted
""".strip().splitlines()

COLLAGES = """
what is in the box?
the marked one
which one is this?
the one I mean has a frame around it
look at the marked picture
name the one in the box
this one
do you know this one?
that is the one I like
only the framed one counts
guess!
the right answer is marked
not the others, this
I choose the one in the frame
please tell me what this is
""".strip().splitlines()
