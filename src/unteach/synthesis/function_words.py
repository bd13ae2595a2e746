"""Words without a fact in them, of languages other than English."""

# ruff: noqa: RUF001 - Cyrillic letters look like Latin ones

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FUNCTION_WORDS: Final[Mapping[str, str]] = {
    "German": """
        aber als am an auch auf aus bei bin bis da damals dann das dass dem den der des dich die dies
        diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es
        etwa euch fur gegen hat hatte hier ich ihm ihn ihr ihre ihrem ihren ihrer im in ins ist ja
        jede jeder jedes kann kein keine man mehr mein mich mir mit nach nicht noch nun nur ob oder
        ohne schon sehr sein seine seinem seinen seiner seit sich sie sind so uber um und uns unter
        vom von vor wann war waren warum was weil wenn wer werden wie wir wird wo wurde wurden zu zum
        zur zwischen hei hie
    """,
    "French": """
        a ai ainsi alors apres au aussi autre aux avait avant avec avoir c car ce ceci cela celle
        celui ces cet cette chez comme comment d dans de des deux depuis dont du elle elles en encore
        entre est et etait ete etre eu fait fut il ils j je l la le les leur leurs lui m ma mais me
        meme mes moi mon n ne ni nos notre nous on ont ou par parce pas pendant peu plus pour
        pourquoi qu quand que quel quelle qui quoi s sa sans se sera ses si son sont sous sur t ta te
        tes toi ton toujours tout toute tres tu un une vers vos votre vous y
    """,
    "Spanish": """
        a al algo ante antes aqui asi aun aunque como con contra cual cuando cuya de del desde donde
        durante e el ella ellas ellos en entre era eran es esa ese eso esta estaba este esto fue
        fueron ha habia han hasta hay la las le les lo los mas me mi mis mucho muy nada ni no nos o
        os otra otro para pero por porque pues que quien se sea ser si sido sin sobre son su sus
        tambien tan te tiene tu tus un una uno unos y ya yo
    """,
    "Portuguese": """
        a ao aos as ate com como da das de dela dele deles depois do dos e ela ele eles em entre era
        essa esse esta estava este eu foi foram ha isso isto ja la lhe mais mas me mesmo meu minha
        muito na nao nas nem no nos o onde os ou para pela pelo por porque quando que quem se sem
        ser seu seus so sua suas tambem te tem tinha tu um uma voce
    """,
    "Italian": """
        a ad ai al alla alle anche che chi ci come con cosa cui da dal dalla dei del della delle di
        dopo dove e ed era essere fu gli ha hanno ho i il in io la le lei li lo loro lui ma mi mia
        mio molto ne nei nel nella noi non o ogni per perche piu poi quale quando quella quello
        questa questo se si sia sono sta stata stato su sua sue sul sulla suo suoi tra tu tutti
        tutto un una uno vi
    """,
    "Dutch": """
        aan al als bij dan dat de deze die dit doch doen door dus een en er ge geen had heb hebben
        heeft hem het hier hij hoe hun ik in is ja je kan maar me meer men met mij mijn na naar niet
        niets nog nu of om omdat ons ook op over te toen tot u uit van veel voor waar wanneer was
        wat we wel werd wie wij wordt worden zal ze zich zij zijn zo zonder zou
    """,
    "Swedish": """
        alla att av blev bli da de dem den denna det detta dig din du efter ej eller en er ett for
        fran ha hade han har hans hennes hon hur i icke ingen inte ja jag kan man med men mig min
        mot mycket nar nu och om oss pa sa samma sig sin ska som till under upp ut vad var vara
        varit vem vi vid
    """,
    "Polish": """
        a ale bo byc byl byla bylo byly ci co czy dla do gdy gdzie go i ich ile im ja jak jako je
        jego jej jest jestem juz kiedy kto ktora ktore ktory lub ma mi mnie moj moze mu my na nad
        nie nim o od on ona one oni oraz po pod przed przez przy sa sie skad sobie ta tak tam te
        tego ten to tu ty tylko w we wiec z za ze
    """,
    "Russian": """
        а без более бы был была были было быть в вам вас весь во вот все всего вы где да даже для до
        его ее если есть еще же за здесь и из или им их к как какои ко когда кто ли мне мои мы на
        над не него нее нет ни них но о об он она они оно от по под при про с свои себя со так также
        там тебя то тои только том ты у уже чего чем что чтобы эта эти это этот я
    """,
    "Turkish": """
        ama bana ben bir biz bu cok da daha de en gibi hangi hem icin ile ise kadar ki kim mi mu ne
        nerede o olan olarak oldu on onun oyle sen siz su ve veya ya
    """,
    "Arabic": """
        التي الذي الى ان او اي اين بعد به بها بين ثم حتى ذلك سوف على عن عند في فيه قبل قد كان كانت كل
        كما كيف لا لكن لم لها له ليس ما متى مع من منذ هذا هذه هل هم هنا هو هي و
    """,
    "Hindi": """
        अब आप इस उस उसका उसकी उसके उसने उनका उनकी एक और कब कर करता करती करते करना कहाँ का कि किया किस की कुछ
        के को कोई कौन क्या क्यों गया जब जो तक तो था थी थे ने पर बहुत भी में मैं यह यहाँ या ये रहा रही लिए वह वहाँ वे
        से हम ही हुआ हुई हूँ है हैं हो होता
    """,
    "Hebrew": """
        אבל או אז אחרי איפה איך אך אל אם אני אנחנו את אתה בין גם היא היה היו הם זאת זה כי כל כך לא לפני
        לה לו מה מי מן מתי עד על עם עוד רק של שלה שלו
    """,
}  # fmt: skip
"""Language -> its articles, pronouns, prepositions and the like; accents may be left out."""
