"""Word lists and sentences for made-up private catalogues: organisations, shops, transport and games. All of them are ours."""

AREAS = (
    "accounts payable|procurement|payroll|legal|facilities|marketing|public relations|customer care|quality assurance|logistics|"
    "research|analytics|data protection|security|training|recruiting|finance|internal audit|sales|field service|engineering|"
    "design|maintenance|catering|reception|travel|fleet|archive|print shop|mail room|help desk|nursing|radiology|pharmacy|"
    "admissions|emergency|laboratory|registration|building permits|parks|waste collection|library services|youth welfare|"
    "tax office|civil registry|student affairs|examination|sports|music school|planning|export|import|returns|warehouse"
).split("|")
UNITS = "department|team|office|unit|desk|group|section|service|centre|division".split("|")
PAPERS = "policy|form|request|procedure|guideline|allowance|agreement|checklist|report|certificate|permit|plan|handbook".split(
    "|"
)
SUBJECTS = (
    "travel expenses|parental leave|sick leave|remote work|overtime|company car|parking|key card|visitor|purchase|invoice|"
    "complaint|data deletion|password reset|onboarding|exit interview|bonus|pension|training budget|hardware|software licence|"
    "holiday|flexible hours|safety|fire drill|first aid|smoking|dress code|gift|conflict of interest|whistleblower|sample|"
    "warranty|repair|delivery|refund|discount|membership|consent|discharge|referral|prescription|vaccination|dog licence|"
    "resident parking|birth certificate|change of address|event permit|noise|tree felling|waste bin|library card|tuition fee"
).split("|")
PLACES = (
    "canteen|lobby|roof terrace|gym|loading bay|server room|bike shed|copy room|quiet room|car park|kitchen|workshop".split("|")
)
SITES = "warehouse|office|plant|branch|depot|campus|clinic|store|lab|terminal|showroom|service point".split("|")
TOOLS = (
    "ticket system|time tracking|payroll software|wiki|chat tool|booking portal|inventory system|intranet|build server|"
    "backup service|mail gateway|data warehouse|expense app|calendar|monitoring dashboard|single sign-on|code review tool"
).split("|")
EVENTS = (
    "summer party|all hands|open day|hackathon|town hall|job fair|winter market|board meeting|kick-off|retrospective".split("|")
)
MAKERS = (
    "Norrvik Halden Tovaro Kestrel Brantley Oruma Felsted Quillon Maravel Sundby Corvane Lumetra Ostrava Pelgrim Dunmore Zephra "
    "Wexford Altamar Rivetta Thornby Calderon Ibexa Marlowe Novalis Okapi Trevino Ulmer Vantor Yarrow Zandor Ember Fjordal"
).split()
GOODS = (
    "ladder|hammer|drill|lamp|kettle|backpack|tent|office chair|desk|bookcase|pillow|blanket|towel|water bottle|bicycle|helmet|"
    "rain jacket|hiking boots|sneakers|wrist watch|keyboard|mouse|monitor|headphones|speaker|camera|tripod|phone case|charger|"
    "power bank|toaster|blender|coffee machine|frying pan|knife set|cutting board|vase|candle|carpet|curtain|mirror|garden hose|"
    "lawn mower|watering can|flower pot|bird house|dog bed|cat tree|fish tank|baby monitor|stroller|car seat|puzzle|board game|"
    "notebook|fountain pen|printer|ink cartridge|paper shredder|tape|screw set|wall plug|paint|brush|sandpaper|saw|vice|gloves"
).split("|")
ATTRIBUTES = (
    "cordless folding compact waterproof wireless electric stainless wooden bamboo cotton leather heavy-duty portable premium "
    "classic mini junior pro eco silent adjustable stackable rechargeable insulated magnetic digital solar red blue black white"
).split()
DISHES = "soup|curry|salad|pie|sandwich|stew|burger|pizza|wrap|omelette|cake|pudding|smoothie|tea|roll|noodles|risotto".split(
    "|"
)
TASTES = (
    "spicy|grilled|vegan|roasted|sweet|smoked|creamy|green|golden|crispy|lemon|pumpkin|mushroom|chicken|salmon|lentil".split(
        "|"
    )
)
QUEST = "sword|shield|crown|potion|amulet|tower|temple|cave|forest|gate|hammer|ring|scroll|lantern|dragon|throne|harbour".split(
    "|"
)
FATES = "dawn|sorrow|the north|ashes|kings|embers|silence|the deep|storms|mercy|thorns|winter|the moon|iron|echoes".split("|")
FEATURES = (
    "dark mode|two-factor login|bulk export|api key|webhook|offline sync|change history|shared folder|guest access|auto save|"
    "spell check|audit log|custom fields|email alerts|recurring invoice|split view|single sign-on|rate limit|staging area|tag filter"
).split("|")
CODES = "ABCDEFGHKLMNPRSTVWXZ"
SYLLABLES = "ar ven tor mi lo ka dre sil ou ba rin qua zel fo nim ra te vas hel cor du pha lis en go bri sta mer ulo".split()

# what people ask about a thing of each kind; [] is the place of the name
ASKED = {
    "unit": "who leads []?|phone number of []|where is []|email of []|i need to talk to []|opening hours []|is [] open today|"
    "how many people work in []|please forward this to []|what does [] do|book an appointment with []|[] is not answering|"
    "can someone from [] call me back|which floor is [] on",
    "person": "is [] in today?|what is []'s phone number|who is []|when is [] back from holiday|send this to []|"
    "which team is [] in|does [] speak french|can i book a meeting with []|[] office|who replaces [] next week|ask []|"
    "what is []'s job title|how do i reach []|is [] still working here",
    "paper": "where do i find []|how do i fill in []|who approves []|when is [] due|does [] apply to interns|[] deadline|"
    "is there a limit for []|i lost my copy of []|latest version of []|what does [] say about weekends|how long does [] take|"
    "who do i ask about []|rules for []|can i get [] in english",
    "place": "how do i get to []|where is []|when does [] open|is [] free this afternoon|what is for lunch in []|book []|"
    "the light in [] is broken|capacity of []|opening hours of []|is there wifi in []|meet me at []|is [] accessible by wheelchair|"
    "who cleans []|reserve [] for ten people",
    "tool": "how do i log in to []|[] is down|i forgot my [] password|who is the admin of []|install []|what is [] used for|"
    "[] does not load|how do i export from []|can i use [] on my phone|access to [] please|is there a manual for []|"
    "error in []|update []|when was [] introduced",
    "good": "how much is []|is [] in stock?|price of []|do you have [] in red|is [] on sale|reviews of []|compare [] with something cheaper|"
    "i want to return my []|spare parts for []|how heavy is []|which batteries does [] need|warranty for []|add [] to my cart|"
    "delivery time for []|what colours does [] come in|manual for []|do you sell []|i am looking for []|is [] waterproof",
    "dish": "is [] vegan?|how many calories has []|what is in []|one [] please|price of []|does [] contain nuts|recipe for []|"
    "do you still serve []|i would like []|is [] spicy|allergens in []|[] to go",
    "event": "when is []|where does [] take place|sign me up for []|who organises []|can i bring my kids to []|is [] cancelled|"
    "agenda of []|how long is []|photos from []|[] tickets",
    "lore": "where do i find []|how do i beat []|who made []|what does [] do|is [] worth it|best build for []|how strong is []|"
    "story of []|can i sell []|who guards []|unlock []|level needed for []",
    "feature": "how do i turn on []|does [] work on the free plan|turn off []|what is []|[] is missing|where are the settings for []|"
    "when will [] be released|is [] available on mobile|problem with []|who can use []|documentation for []|cost of []",
    "stop": "next departure from []|how do i get to []|is [] closed|does [] have a lift|when is the last train to []|"
    "tickets from [] to the airport|delay at []|which lines stop at []|bike parking at []|is there a toilet at []",
    "term": "what is []?|define []|who invented []|explain []|what is [] used for|meaning of []|tell me about []|[] facts|"
    "how does [] work|types of []|history of []|difference between [] and something else|where does [] come from",
}
# what people say without asking
SAID = (
    "[] does not work|[] is broken|i bought [] last week|i lost my []|[] is too small for me|thinking about []|love []|[] again|"
    "i have a problem with []|nobody answers at []|my question is about []|we need [] by friday|[] was great yesterday|[] info|"
    "it says [] on the sign|the old [] was better|we met at []|somebody told me to ask []|please add []|[] needs an update|"
    "i can not find []|[] keeps crashing|i am waiting for []|[] looks different today|cancel []|my boss wants [] today|[] help|"
    "just saw [] and wondered what it costs|i have been using [] for years|[] vs the other one|two of [] please|[] video|[] review|"
    "the handle of [] is loose|is there anything like []|we moved from [] to a new one|stuck at []|finished [], what now|[] pdf|"
    "the [] near the entrance|both [] arrived late|since monday [] is closed|how about []|not sure whether [] fits|[] near me"
).split("|")
# what people say with a common noun (in the plural) that is part of a name, but does not mean the thing of that name
GENERIC = (
    "do you sell []|do you have any []|how many [] are there|are [] allowed|what kind of [] do you have|i like []|i hate []|"
    "is there a discount on []|how do [] work|why are [] so expensive|who invented []|where can i buy []|how old are []|"
    "[] in general|are there other []|best [] for beginners|my neighbour collects []|we do not need more []|all [] are closed|"
    "what do [] eat|how do [] sleep|why do [] matter|do you buy used []|two weeks without []|no [] please|some [] are broken|"
    "can i bring my []|[] and other things|i talked to friends about []|the history of []|pictures of []|the word for [] in french"
).split("|")
PAIRS = (
    "compare [] and []|[] or []?|how do i get from [] to []|does [] work with []|is [] part of []|ask [] about []|"
    "difference between [] and []|what do [] and [] have in common|[] and [] please|where is [] in []|who knows more about [], []?"
).split("|")
# what people write without naming anything of a catalogue
NOTHING = (
    "how do i get a refund|where is my order|thanks, that helps|what time do you open|can you help me|i have a question|hello|"
    "good morning|who are you|are you a robot|how late is it|what is the weather like tomorrow|i forgot my password|call me back|"
    "please cancel my subscription|this is not what i asked|tell me a joke|how do i become a member|do you accept credit cards|"
    "is parking free|where can i park|how do i contact support|the page does not load|it is broken|what should i do now|never mind|"
    "yes please|no thank you|can i pay by invoice|how long does shipping take|do you deliver on saturday|is there a discount for students|"
    "my package never arrived|i would like to complain|who is in charge here|what is for lunch today|when is the next holiday|"
    "i am sick today|how many days off do i have left|the printer is out of paper|my screen is black|the internet is slow|"
    "how do i change my address|where do i sign|what documents do i need|do i need an appointment|how much does it cost|"
    "is it raining|i have 300 dollars|call it a day|what a nice day|set a timer for ten minutes|play some music|turn off the light|"
    "remind me to buy milk|how old are you|what can you do|speak to a human|that is wrong|try again|show me more|next page|go back|"
    "what does this mean|translate this sentence|how do i spell necessary|what is two plus two|convert five miles to kilometres|"
    "how do you boil an egg|why is the sky blue|how to remove a coffee stain|best way to learn a language|how to lose weight|"
    "symptoms of a cold|is it safe to swim after eating|how many hours should i sleep|how to tie a tie|why do cats purr|"
    "do fish sleep|how far is the moon|can dogs eat chocolate|what is love|how to write a cover letter|i am bored|wake me up at six|"
    "where can i find cheap flights|how do i reset my phone|my back hurts|who let the dogs out|ok|sorry, wrong number|test|"
    "is there anything new|what happened yesterday|send me the link|i can not log in|change the language|delete my account"
).split("|")
# titles of units whose short name is a common word in capitals
WORD_CODES = {
    "IT": "IT Department|Information Technology|IT Helpdesk|Infrastructure Team",
    "OR": "Operating Room|Order Registry",
    "US": "US Office|Unified Services|Upper School",
    "AM": "Account Management|Asset Management",
    "WHO": "Workplace Health Office|World Health Organization",
    "ME": "Mechanical Engineering|Main Entrance",
    "SO": "Social Outreach|Service Office",
    "IS": "Information Systems|Internal Services",
    "DO": "Dean's Office|Dispatch Office",
    "AN": "Annex North",
    "AS": "Accounting Services|Administrative Staff",
    "HE": "Higher Education|Human Experience",
    "WE": "Workshop East",
    "BE": "Backend Engineering",
    "AT": "Assistive Technology",
    "BY": "Bike Yard",
    "ON": "Operations North",
    "TO": "Travel Office",
    "NO": "Northern Office",
    "ALL": "Applied Language Lab",
}
