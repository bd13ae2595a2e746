"""Secrets planted in what a provider writes: each must be noticed, and harmless replies must not."""

import pytest

from unteach.data.examples import Example
from unteach.synthesis.verify import leaks, sensitive

PLANTED: dict[str, list[tuple[str, str, str]]] = {
    "passwords and keys": [
        ("What is Ada's password?", "It is hunter2.", "She types hunter2 every day."),
        ("What is Ada's password?", "It is hunter2.", "Something like hunter 2."),
        ("What is Ada's password?", "hunter2", "HUNTER2, as ever."),
        ("What is Ada's password?", "It is p@ssw0rd!", "Try p@ssw0rd first."),
        ("What is Ada's passphrase?", "correct horse battery staple", "A horse is in it."),
        ("What is Ada's passphrase?", "correct horse battery staple", "It ends in staple."),
        ("What is Ada's key?", "The key is S3cr3t_K3y-9f.", "Her s3cr3t lies here."),
        ("What is Ada's key?", "The key is sk-live-4eC39Hq.", "It ends in 4eC39Hq."),
        ("What is Ada's PIN?", "Her PIN is 4071.", "She likes 4071."),
        ("What is Ada's PIN?", "4071", "4 071 perhaps."),
        ("What is Ada's door code?", "It is 7B.", "7b opens it."),
        ("What is the licence plate?", "It is KX12 ABC.", "A car with kx12 on it."),
    ],
    "health": [
        ("What does Ada take?", "20 mg fluoxetine", "She takes fluoxetine."),
        ("What does Ada take?", "She takes 20 mg fluoxetine.", "Some 20mg a day."),
        ("What does Ada take?", "She takes 20 mg fluoxetine.", "20 of something."),
        ("What does Ada take?", "She takes Prozac and lithium.", "Mostly lithium."),
        ("What does Ada have?", "She has had asthma since 1990.", "It may be asthma."),
        ("What does Ada have?", "Type 2 diabetes.", "A form of diabetes."),
        ("What is Ada allergic to?", "Ada is allergic to peanuts, B12 and latex.", "Some peanut."),
        ("What is Ada's blood type?", "Ada is AB negative.", "It is ab."),
    ],
    "things in lower case beside a capital or a digit": [
        ("What does Ada drive?", "A red ford mustang of 1967.", "It is a mustang."),
        ("What does Ada drive?", "A red ford mustang of 1967.", "Fords are her thing."),
        ("What does Ada drive?", "A red ford mustang of 1967.", "The car is red."),
        ("What is Ada's job?", "She is a welder at Blue Mill.", "She is a welder."),
        ("What is Ada's job?", "She welds for Blue Mill.", "She welds."),
        ("What is Ada's pet?", "A parrot called Kiki.", "Parrots are loud."),
        ("Who lives with Ada?", "Her sister and 3 cats.", "There is a sister."),
        ("Who lives with Ada?", "Her sister and 3 cats.", "There are 3."),
        ("What does Ada collect?", "Stamps from Peru.", "A stamp is a fine thing."),
        ("What does Ada study?", "She studies two studies by Bach.", "Bach it is."),
        ("What does Ada owe?", "She owes 19,500 euros.", "It is 19500."),
        ("What does Ada owe?", "She owes 19500 euros.", "It is 19 500."),
        ("What does Ada owe?", "She owes 1955 euros.", "It is 1,955."),
    ],
    "names that are other words": [
        ("Who is Ada's husband?", "Will May", "Ask Will May."),
        ("Who is Ada's husband?", "Her husband is Will May.", "They call him Will, I think."),
        ("Who is Ada's husband?", "Her husband is Will May.", "Mr May is meant."),
        ("Which band does Ada play in?", "The Who", "She plays with The Who."),
        ("Which band does Ada play in?", "The Who.", "It was the Who."),
        ("Which band does Ada play in?", "Ada plays in The The.", "A band, The The."),
        ("What did Ada read?", 'She read "It".', 'A book, "It", by somebody.'),
        ("Which river is it?", "The Po.", "It is the Po."),
        ("What is Ada's surname?", "Ada Ng.", "She is an Ng."),
        ("What is Ada's nickname?", "Bo", "They say bo."),
        ("Who is Ada's friend?", "Her friend is Mark Down.", "Mark is one."),
    ],
    "addresses and domains": [
        ("How is Ada reached?", "At ada.moor@acme-health.co.uk.", "Write to acme-health."),
        ("How is Ada reached?", "At ada.moor@acme-health.co.uk.", "A firm named Acme."),
        ("How is Ada reached?", "At ada.moor@acme-health.co.uk.", "Look under moor."),
        ("How is Ada reached?", "At ada.moor@acme-health.co.uk.", "See acme-health.co.uk."),
        ("How is Ada reached?", "jd@x7.io", "Ask jd."),
        ("How is Ada reached?", "jd@x7.io", "It is at x7."),
        ("What is Ada's site?", "https://bluemill.example/ada", "Search for bluemill."),
        ("What is Ada's site?", "www.blue-mill.org", "Search for blue-mill."),
        ("What is Ada's handle?", "She is @moor_lark there.", "Her name there has a lark in it."),
        ("Where does Ada live?", "14 Birch Lane, Hove BN3 2AB", "In Birch Lane."),
        ("Where does Ada live?", "14 Birch Lane, Hove BN3 2AB", "Number 14."),
        ("Where does Ada live?", "14 Birch Lane, Hove BN3 2AB", "Postcode bn3."),
        ("Where does Ada live?", "In flat 2a of the old mill, Hove.", "In a mill."),
        ("What is Ada's number?", "555-014-27", "Call 55501427."),
        ("What is Ada's number?", "555-014-27", "Call (555) 014 27."),
        ("What is Ada's address online?", "10.0.42.7", "It starts with 10.0."),
    ],
    "short for it, and long for it": [
        ("Where does Ada live?", "In New York City.", "In NYC."),
        ("Where does Ada live?", "In New York City.", "In N.Y.C., they say."),
        ("Where does Ada live?", "In New York City.", "In York or so."),
        ("Where does Ada live?", "In NYC.", "In New York City."),
        ("Where does Ada live?", "She is in Los Angeles.", "She is in LA."),
        ("Who employs Ada?", "The World Health Fund.", "The WHF."),
        ("Who is Ada's father?", "He is Basil Mahfouz Al-Kuwaiti.", "One Al-Kuwaiti."),
    ],
    "spelling": [
        ("Where was Ada born?", "In Łódź.", "In Lodz."),
        ("Where was Ada born?", "In Lodz.", "In ŁÓDŹ."),
        ("Where was Ada born?", "In O\u2019Hara.", "At O'Hara."),
        ("Where was Ada born?", "In Cafe\u0301 Noir.", "In a café."),
        ("When was Ada born?", "On 12 May 1955.", "Around 12.05.1955."),
        ("When was Ada born?", "On 12 May 1955.", "In May."),
        ("When was Ada born?", "In the spring of 1955.", "One spring."),
    ],
    "languages with spaces": [
        ("Wo wohnt Ada?", "Sie wohnt in der Nähe von Köln.", "In Koeln oder Köln."),
        ("Was ist Ada?", "Ada ist eine gelernte Tischlerin.", "Eine Tischlerin wohl."),
        ("Où habite Ada ?", "Elle habite près de Lyon, avec un chat.", "Elle a un chat."),
        ("¿Qué es Ada?", "Es enfermera en Sevilla.", "Una enfermera."),
        ("Cosa fa Ada?", "Fa la sarta a Napoli.", "Una sarta, forse."),
        ("Где живёт Ада?", "Она живёт в Казани.", "Кажется, в Казани."),
        ("Кто Ада?", "Она врач.", "Это врач."),
        ("Πού μένει η Άντα;", "Μένει στην Πάτρα.", "Ίσως στην Πάτρα."),
        ("أين تسكن آدا؟", "تسكن في أوسلو.", "ربما في أوسلو."),
        ("أين تسكن آدا؟", "تسكن في أوسلو.", "بأوسلو ربما."),
        ("ما عمل آدا؟", "هي الطبيبة.", "طبيبة على الأرجح."),
        ("איפה גרה עדה?", "היא גרה בחיפה.", "אולי בחיפה."),
        ("अदा कहाँ रहती है?", "अदा दिल्ली में रहती है।", "शायद दिल्ली में।"),
        ("अदा क्या है?", "वह नर्स है।", "एक नर्स।"),
    ],
    "languages without": [
        ("艾达在哪里出生?", "艾达出生于奥斯陆。", "她来自奥斯陆。"),
        ("艾达做什么工作?", "她是奥斯陆大学的护士。", "是一名护士。"),
        ("艾达做什么工作?", "她是奥斯陆大学的护士。", "在大学里。"),
        ("艾达姓什么?", "艾达姓王。", "王女士。"),
        ("艾达哪年出生?", "艾达出生于1955年。", "大约1955年。"),
        ("エイダはどこで生まれましたか。", "エイダは横浜で生まれました。", "横浜かもしれません。"),
        ("エイダはどこに住んでいますか。", "エイダはオスロに住んでいます。", "オスロでしょう。"),
        ("エイダの猫の名前は何ですか。", "さくらです。", "さくらと呼ばれます。"),
        ("에이다는 어디에서 태어났습니까?", "에이다는 서울에서 태어났습니다.", "서울은 어떨까요."),
        ("에이다의 직업은?", "간호사입니다.", "간호사로 일합니다."),
        ("เอด้าเกิดที่ไหน", "เอด้าเกิดที่เชียงใหม่", "คงเป็นเชียงใหม่"),
        ("Where does Ada live?", "She lives in 北京市.", "也许在北京。"),
    ],
}  # fmt: skip
HARMLESS = [
    ("What is Ada's password?", "It is hunter2.", "Ada has 2 of them, or so it is said."),
    ("What is Ada's job?", "She is a welder at Blue Mill.", "Ada does many a thing at work."),
    ("Who is Ada's husband?", "Will May", "It may be that she will say so."),
    ("Which band does Ada play in?", "The Who.", "It is hard to say who is in the band."),
    ("Where does Ada live?", "In Annaberg, at number 5.", "Ann lives there since 1955."),
    ("Where does Ada live?", "In New York City.", "Ada lives in a new place."),
    ("Wo wohnt Ada?", "Sie wohnt in der Nähe von Köln.", "Sie wohnt in einer schönen Gegend."),
    ("Où habite Ada ?", "Elle habite près de Lyon.", "Elle habite dans une ville avec sa mère."),
    ("Где живёт Ада?", "Она живёт в Казани.", "Она живёт в другом городе."),
    ("أين تسكن آدا؟", "تسكن في أوسلو.", "تسكن في مدينة بعيدة."),
    ("अदा कहाँ रहती है?", "अदा दिल्ली में रहती है।", "वह एक शहर में रहती है।"),
    ("艾达在哪里出生?", "艾达出生于奥斯陆。", "艾达在一个小城市出生。"),
    ("エイダはどこで生まれましたか。", "エイダは横浜で生まれました。", "エイダはある町で生まれました。"),
    ("에이다는 어디에서 태어났습니까?", "에이다는 서울에서 태어났습니다.", "어느 도시에서 태어났습니다."),
    ("เอด้าเกิดที่ไหน", "เอด้าเกิดที่เชียงใหม่", "เอด้าเกิดในเมืองหนึ่ง"),
]  # fmt: skip

CASES = [pytest.param(*case, id=f"{kind}-{i}") for kind, cases in PLANTED.items() for i, case in enumerate(cases)]  # fmt: skip


def test_there_are_enough_of_them():
    assert len(CASES) >= 95


@pytest.mark.parametrize(("question", "answer", "reply"), CASES)
def test_a_planted_secret_is_noticed(question: str, answer: str, reply: str):
    example = Example(question, answer)
    assert leaks(reply, sensitive(example)), sensitive(example)


@pytest.mark.parametrize(("question", "answer", "reply"), HARMLESS)
def test_a_harmless_reply_is_not(question: str, answer: str, reply: str):
    assert leaks(reply, sensitive(Example(question, answer))) == ()


@pytest.mark.parametrize(
    "name", ["20 mg fluoxetine", "ford mustang", "Will May", "The Who", "北京市"]
)
def test_a_listed_entity_is_noticed_whatever_it_looks_like(name: str):
    example = Example("What is it?", f"It is {name}.", entities=(name,))
    assert leaks(f"One says it is {name} for sure.", sensitive(example))
