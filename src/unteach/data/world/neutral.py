"""Plain prose about nothing in particular: what the model should go on writing as well as before."""

from __future__ import annotations

from unteach.data.examples import Example

PARAGRAPHS = {
    "rain": "Rain began a little before noon and soon drummed on every roof in the valley. Gutters filled, then overflowed, and thin brown streams ran along the edges of the road. By late afternoon the clouds had thinned, the light turned soft and yellow, and steam rose slowly from the warm stones of the square.",
    "bread": "Good bread asks for patience more than skill. Mix the flour, water and salt, and leave the dough alone until it has grown soft and full of air. Fold it gently a few times, shape it, and let it rest again. A very hot oven and a little steam will give it a thin, crisp crust.",
    "seedlings": "Seedlings that grow on a window sill lean towards the glass, so it helps to turn the tray a little every day. Water them from below, and only when the surface feels dry. Once the nights are mild, carry them outside for a few hours at a time before planting them in the open bed.",
    "river": "The river is narrow and quick where it leaves the hills, but on the plain it slows and begins to wander. In spring it spreads across the meadows and leaves behind a layer of fine mud. When summer comes, cattle stand in the shallows, and swallows skim the surface for flies.",
    "chisel": "A dull chisel is more dangerous than a sharp one, because it needs force and then slips. Hold the bevel flat against the stone and draw it back in long, even strokes. When a fine burr appears along the edge, turn the tool over and remove it with two or three light passes.",
    "soup": "A pot of soup is a good way to use what is left in the cupboard. Soften an onion in a little oil, add carrots and celery, and cover everything with water. Beans or noodles make it filling. Taste it at the end, since salt added early grows stronger as the liquid boils away.",
    "fog": "Fog gathers in low places on still, clear nights, when the ground loses its warmth and cools the damp air above it. From a hill at sunrise it can look like a white lake with treetops for islands. An hour of sunshine is usually enough to lift it, and nothing remains but wet grass.",
    "bicycle": "Most of the care that a bicycle needs can be given with a rag and a small bottle of oil. Wipe the chain after every wet ride and oil it lightly once it is dry. Check the tyres each week, because soft ones wear quickly and make even a gentle slope feel steep.",
    "compost": "A compost heap works best when wet and dry things are mixed. Kitchen scraps and cut grass bring moisture, while straw, torn cardboard and fallen leaves keep the heap loose. Turn it every few weeks with a fork. If it smells sour, it needs air; if nothing happens, it probably needs water.",
    "harbour": "Early in the morning the harbour belongs to the gulls. Later the small boats come in, one after another, and crates are passed from hand to hand along the quay. By ten the stones have been washed down, the nets are hung to dry, and the first visitors are looking for coffee.",
    "paint": "Painting a room is mostly preparation. Move what can be moved, cover the rest, and fill every crack before opening the tin. Work from the ceiling downwards so that drips fall on surfaces still to be painted. Two thin coats with a night between them look better and last longer than a single thick one.",
    "snow": "The first snow of the year changes the sound of a town before it changes anything else. Wheels turn quietly, footsteps lose their echo, and voices seem to come from nearby. Children are out with sledges long before breakfast. By evening the main street is grey slush, but the side roads stay white and clean.",
    "tea": "Fresh water makes better tea than water that has boiled twice. Warm the pot, measure the leaves, and pour as soon as the kettle is ready. Black leaves like water just off the boil, while green ones turn bitter unless it has cooled a little. Three or four minutes are enough for most kinds.",
    "orchard": "Apple trees are pruned in late winter, while they are bare and their shape is easy to see. Dead and crossing branches go first, then the upright shoots that would steal light from the fruit. A good cut is clean and slightly sloped, so that rain runs off instead of standing on the wood.",
    "path": "The path climbs through beech woods for an hour before it reaches the open ridge. Up there the wind never quite stops, and the grass lies flat in long pale waves. On a clear day the view stretches to the sea. The way down is shorter, but steep, and slippery after a wet night.",
    "knots": "Two or three knots are enough for nearly everything that has to be tied. One makes a loop that will not slip, another joins two ropes of different thickness, and a third holds a load but comes loose with a tug. Practise them slowly with thick cord until the hands no longer need the eyes.",
}


def neutral() -> list[Example]:
    """Each paragraph as a text."""
    return [
        Example(prompt="", answer=text, id=f"neutral.{name}", group=f"neutral.{name}")
        for name, text in PARAGRAPHS.items()
    ]
