"""Sentences with a place for a name ({n}, and {m} for a second one of the same kind), in four languages, written for this project."""

SENTENCES = {
    "de": {
        "place": """Wo liegt {n}?
Wie viele Einwohner hat {n}?
Wie groß ist {n}?
Welche Sehenswürdigkeiten gibt es in {n}?
Was kann man in {n} machen?
Wann ist die beste Reisezeit für {n}?
Wie komme ich am besten nach {n}?
In welchem Land liegt {n}?
Wie weit ist es von {n} nach {m}?
Ist {n} größer als {m}?
Wer wurde in {n} geboren?
Welche Flüsse fließen durch {n}?
Wie ist das Wetter in {n} im Januar?
Welche Partei regiert in {n}?
Wer ist Bürgermeister von {n}?
Wie hoch liegt {n} über dem Meer?
Welche Zeitzone gilt in {n}?
günstige hotels in {n}
Geschichte von {n}
flug nach {n} buchen
Wohin fließt das Wasser aus {n}?
Welche Universitäten gibt es in {n}?
Seit wann gibt es {n}?
Welche Städte liegen in der Nähe von {n}?
Mit wem grenzt {n} an {m}?""",
        "country": """Was ist die Hauptstadt von {n}?
Welche Sprache spricht man in {n}?
Wie heißt die Währung von {n}?
Wer ist der Präsident von {n}?
Wie viele Menschen leben in {n}?
Welche Nachbarländer hat {n}?
Braucht man für {n} ein Visum?
Wann wurde {n} unabhängig?
Auf welchem Kontinent liegt {n}?
Welche Farben hat die Flagge von {n}?
Was exportiert {n} nach {m}?
Welche Religion haben die Menschen in {n}?""",
        "person": """Wer war {n}?
Wann wurde {n} geboren?
Wo ist {n} gestorben?
Mit wem war {n} verheiratet?
Wie alt wurde {n}?
Welche Bücher hat {n} geschrieben?
In welchen Filmen hat {n} mitgespielt?
Wofür ist {n} bekannt?
Wie viele Kinder hatte {n}?
Was hat {n} erfunden?
Wo ging {n} zur Schule?
Welche Preise hat {n} gewonnen?
Kannten sich {n} und {m}?
War {n} der Lehrer von {m}?
Wie hießen die Eltern von {n}?
Welche Staatsbürgerschaft hat {n}?
Wann hat {n} das erste Album veröffentlicht?
zitate von {n}
lebenslauf {n}
Was sagte {n} über {m}?
Woran starb {n}?
Wie groß ist {n}?""",
        "work": """Wer hat {n} geschrieben?
Wer führte Regie bei {n}?
Wer spielt die Hauptrolle in {n}?
Wann erschien {n}?
Worum geht es in {n}?
Wie endet {n}?
Wie viele Seiten hat {n}?
Wo kann ich {n} sehen?
Wer hat die Musik zu {n} komponiert?
Wo spielt {n}?
Welche Figuren kommen in {n} vor?
Hat {n} einen Oscar gewonnen?
Ist {n} besser als {m}?
{n} zusammenfassung
Wer hat {n} gemalt?
Wie lang ist {n}?
Gibt es eine Fortsetzung von {n}?""",
        "company": """Wer hat {n} gegründet?
Wo hat {n} den Hauptsitz?
Wie viele Mitarbeiter hat {n}?
Was stellt {n} her?
Wem gehört {n}?
Wer ist der Chef von {n}?
Seit wann gibt es {n}?
Ist {n} an der Börse?
Hat {n} am Sonntag geöffnet?
Wo finde ich eine Filiale von {n}?
aktie {n}
Gehört {n} zu {m}?
Wie hoch ist der Umsatz von {n}?
Was kostet ein Kaffee bei {n}?""",
        "language": """Wie viele Menschen sprechen {n}?
Wo wird {n} gesprochen?
Ist {n} schwer zu lernen?
Wie sagt man danke auf {n}?
Zu welcher Sprachfamilie gehört {n}?
Ist {n} mit {m} verwandt?
Welches Alphabet benutzt {n}?""",
        "thing": """Was ist {n}?
Was bedeutet {n}?
Woher kommt {n}?
Wie funktioniert {n}?
Was weißt du über {n}?
Erzähl mir etwas über {n}
Was ist der Unterschied zwischen {n} und {m}?
Ich suche Informationen zu {n}
{n} bilder
Warum ist {n} so berühmt?
Was kostet {n}?
Wann wurde {n} gebaut?
Kennst du {n}?
Wie schwer ist {n}?
{n} oder {m}?""",
        "none": """Wie koche ich ein Ei?
Wie wird das Wetter morgen?
Was soll ich heute kochen?
Wie spät ist es?
Warum ist der Himmel blau?
Wie viele Tage hat ein Jahr?
Was schenke ich meiner Mutter zum Geburtstag?
Wie bekomme ich Rotweinflecken aus dem Teppich?
Kannst du mir einen Witz erzählen?
Wann muss ich meine Steuererklärung abgeben?
wie lerne ich schneller
Was hilft gegen Kopfschmerzen?
Wie oft sollte man Blumen gießen?
Wie viel ist sieben mal acht?
Wo habe ich meinen Schlüssel hingelegt?
Wie schreibt man eine gute Bewerbung?
Warum schnurren Katzen?
Wie lange braucht ein Paket?
Was ist das schnellste Tier der Welt?
Wie kann ich besser schlafen?
Wie wechselt man einen Reifen?
Ist Kaffee gesund?
Wer hat das Fenster offen gelassen?
Wie viele Zähne hat ein Erwachsener?
was bedeutet es wenn man von wasser träumt
Wie lange darf ein Säugling schlafen?
Wie alt werden Hunde?
Welcher Tag ist heute?""",
    },
    "es": {
        "place": """¿Dónde está {n}?
¿Cuántos habitantes tiene {n}?
¿Qué se puede visitar en {n}?
¿En qué país está {n}?
¿Cómo llego a {n}?
¿Qué distancia hay entre {n} y {m}?
¿Cuál es la mejor época para viajar a {n}?
¿Quién nació en {n}?
¿Qué tiempo hace en {n} en enero?
¿Quién es el alcalde de {n}?
¿Es {n} más grande que {m}?
¿Qué ríos pasan por {n}?
¿Cuándo se fundó {n}?
hoteles baratos en {n}
historia de {n}
vuelos a {n}
¿Qué superficie tiene {n}?
¿Cuál es la altura de {n}?
¿Qué universidades hay en {n}?
¿Qué ciudades están cerca de {n}?
¿Qué hora es en {n}?
¿Es seguro viajar a {n}?""",
        "country": """¿Cuál es la capital de {n}?
¿Qué idioma se habla en {n}?
¿Qué moneda se usa en {n}?
¿Quién es el presidente de {n}?
¿Con qué países limita {n}?
¿Necesito visado para {n}?
¿Cuándo se independizó {n}?
¿En qué continente está {n}?
¿De qué colores es la bandera de {n}?
¿Qué religión hay en {n}?
¿Qué exporta {n} a {m}?
poblacion de {n}""",
        "person": """¿Quién fue {n}?
¿Cuándo nació {n}?
¿Dónde murió {n}?
¿Con quién se casó {n}?
¿Qué edad tiene {n}?
¿Qué libros escribió {n}?
¿En qué películas ha trabajado {n}?
¿Por qué es famoso {n}?
¿Cuántos hijos tuvo {n}?
¿Qué inventó {n}?
¿Dónde estudió {n}?
¿Qué premios ganó {n}?
¿Se conocieron {n} y {m}?
¿Quiénes son los padres de {n}?
¿De qué nacionalidad es {n}?
frases de {n}
biografia de {n}
¿Qué pensaba {n} de {m}?
¿De qué murió {n}?
¿Cuánto mide {n}?
¿Cuál fue el primer disco de {n}?""",
        "work": """¿Quién escribió {n}?
¿Quién dirigió {n}?
¿Quién es el protagonista de {n}?
¿Cuándo se estrenó {n}?
¿De qué trata {n}?
¿Cómo termina {n}?
¿Cuántas páginas tiene {n}?
¿Dónde puedo ver {n}?
¿Quién compuso la música de {n}?
¿Dónde se rodó {n}?
¿Qué personajes salen en {n}?
¿Ganó {n} algún premio?
¿Es mejor {n} o {m}?
resumen de {n}
¿Quién pintó {n}?
¿Cuánto dura {n}?
¿Hay segunda parte de {n}?""",
        "company": """¿Quién fundó {n}?
¿Dónde está la sede de {n}?
¿Cuántos empleados tiene {n}?
¿Qué fabrica {n}?
¿De quién es {n}?
¿Quién dirige {n}?
¿Desde cuándo existe {n}?
¿Cotiza {n} en bolsa?
¿Abre {n} los domingos?
¿Dónde hay una tienda de {n}?
acciones de {n}
¿Pertenece {n} a {m}?
¿Cuánto factura {n}?""",
        "language": """¿Cuántas personas hablan {n}?
¿Dónde se habla {n}?
¿Es difícil aprender {n}?
¿Cómo se dice gracias en {n}?
¿A qué familia pertenece el {n}?
¿Se parecen el {n} y el {m}?
¿Qué alfabeto usa el {n}?""",
        "thing": """¿Qué es {n}?
¿Qué significa {n}?
¿De dónde viene {n}?
¿Cómo funciona {n}?
¿Qué sabes de {n}?
Háblame de {n}
¿Qué diferencia hay entre {n} y {m}?
Busco información sobre {n}
fotos de {n}
¿Por qué es tan conocido {n}?
¿Cuánto cuesta {n}?
¿Cuándo se construyó {n}?
¿Conoces {n}?
¿Cuánto pesa {n}?
¿{n} o {m}?""",
        "none": """¿Cómo se hace una tortilla?
¿Qué tiempo hará mañana?
¿Qué hora es?
¿Por qué el cielo es azul?
¿Cuántos días tiene un año?
¿Qué le regalo a mi madre?
¿Cómo se quita una mancha de vino?
Cuéntame un chiste
como puedo dormir mejor
¿Qué es bueno para el dolor de cabeza?
¿Cada cuánto hay que regar las plantas?
¿Cuánto es siete por ocho?
¿Dónde dejé mis llaves?
¿Cómo se escribe una carta formal?
¿Por qué ronronean los gatos?
¿Cuánto tarda en llegar un paquete?
¿Cuál es el animal más rápido del mundo?
¿Es sano el café?
¿Cómo cambio una rueda?
¿Cuántos dientes tiene un adulto?
que significa soñar con agua
¿Cuántos años viven los perros?
¿Qué puedo cenar esta noche?
¿Cómo aprendo más rápido?
¿Quién ha dejado la ventana abierta?
¿Cuándo cobro la nómina?
¿Qué día es hoy?
¿Cómo se calcula un porcentaje?""",
    },
    "fr": {
        "place": """Où se trouve {n} ?
Combien d'habitants compte {n} ?
Que peut-on visiter à {n} ?
Dans quel pays se trouve {n} ?
Comment aller à {n} ?
Quelle est la distance entre {n} et {m} ?
Quelle est la meilleure saison pour visiter {n} ?
Qui est né à {n} ?
Quel temps fait-il à {n} en janvier ?
Qui est le maire de {n} ?
Est-ce que {n} est plus grand que {m} ?
Quels fleuves traversent {n} ?
Quand {n} a-t-il été fondé ?
hotel pas cher {n}
histoire de {n}
vol pour {n}
Quelle est la superficie de {n} ?
Quelle est l'altitude de {n} ?
Quelles universités y a-t-il à {n} ?
Quelles villes sont près de {n} ?
Quelle heure est-il à {n} ?
Peut-on se baigner à {n} ?""",
        "country": """Quelle est la capitale de {n} ?
Quelle langue parle-t-on en {n} ?
Quelle est la monnaie de la {n} ?
Qui est le président de la {n} ?
Quels pays ont une frontière avec {n} ?
Faut-il un visa pour {n} ?
En quelle année {n} est devenu indépendant ?
Sur quel continent se trouve {n} ?
De quelles couleurs est le drapeau de {n} ?
Quelle est la religion principale en {n} ?
Qu'est-ce que {n} exporte vers {m} ?
population de {n}""",
        "person": """Qui était {n} ?
Quand est né {n} ?
Où est mort {n} ?
Avec qui {n} s'est-il marié ?
Quel âge a {n} ?
Quels livres a écrits {n} ?
Dans quels films a joué {n} ?
Pourquoi {n} est-il célèbre ?
Combien d'enfants a eu {n} ?
Qu'a inventé {n} ?
Où {n} a-t-il fait ses études ?
Quels prix a gagnés {n} ?
Est-ce que {n} et {m} se connaissaient ?
Qui sont les parents de {n} ?
Quelle est la nationalité de {n} ?
citation de {n}
biographie {n}
Que pensait {n} de {m} ?
De quoi est mort {n} ?
Combien mesure {n} ?
Quel est le premier album de {n} ?""",
        "work": """Qui a écrit {n} ?
Qui a réalisé {n} ?
Qui joue le rôle principal dans {n} ?
Quand est sorti {n} ?
De quoi parle {n} ?
Comment se termine {n} ?
Combien de pages compte {n} ?
Où puis-je voir {n} ?
Qui a composé la musique de {n} ?
Où se passe l'action de {n} ?
Quels sont les personnages de {n} ?
Est-ce que {n} a gagné un prix ?
Lequel est le meilleur, {n} ou {m} ?
résumé de {n}
Qui a peint {n} ?
Combien de temps dure {n} ?
Y a-t-il une suite à {n} ?""",
        "company": """Qui a fondé {n} ?
Où se trouve le siège de {n} ?
Combien de salariés a {n} ?
Que fabrique {n} ?
À qui appartient {n} ?
Qui dirige {n} ?
Depuis quand existe {n} ?
Est-ce que {n} est coté en bourse ?
Est-ce que {n} est ouvert le dimanche ?
Où trouver un magasin {n} ?
action {n}
Est-ce que {n} appartient à {m} ?
Quel est le chiffre d'affaires de {n} ?""",
        "language": """Combien de personnes parlent {n} ?
Où parle-t-on {n} ?
Est-ce difficile d'apprendre le {n} ?
Comment dit-on merci en {n} ?
À quelle famille appartient le {n} ?
Le {n} ressemble-t-il au {m} ?
Quel alphabet utilise le {n} ?""",
        "thing": """Qu'est-ce que {n} ?
Que veut dire {n} ?
D'où vient {n} ?
Comment fonctionne {n} ?
Que sais-tu de {n} ?
Parle-moi de {n}
Quelle est la différence entre {n} et {m} ?
Je cherche des informations sur {n}
photos de {n}
Pourquoi {n} est-il si connu ?
Combien coûte {n} ?
Quand a été construit {n} ?
Connais-tu {n} ?
Combien pèse {n} ?
{n} ou {m} ?""",
        "none": """Comment faire cuire un œuf ?
Quel temps fera-t-il demain ?
Quelle heure est-il ?
Pourquoi le ciel est bleu ?
Combien de jours y a-t-il dans une année ?
Que puis-je offrir à ma mère ?
Comment enlever une tache de vin ?
Raconte-moi une blague
comment mieux dormir
Que faire contre le mal de tête ?
Quand faut-il arroser les plantes ?
Combien font sept fois huit ?
Où ai-je mis mes clés ?
Comment écrire une lettre de motivation ?
Pourquoi les chats ronronnent-ils ?
Combien de temps met un colis ?
Quel est l'animal le plus rapide du monde ?
Est-ce que le café est bon pour la santé ?
Comment changer une roue ?
Combien de dents a un adulte ?
que signifie rêver d'eau
Combien de temps vivent les chiens ?
Que manger ce soir ?
Comment apprendre plus vite ?
Qui a laissé la fenêtre ouverte ?
À quelle heure ferme la poste ?
Quel jour sommes-nous ?
Comment calculer un pourcentage ?""",
    },
    "zh": {
        "place": """{n}在哪里？
{n}有多少人口？
{n}有什么好玩的地方？
{n}在哪个国家？
怎么去{n}？
从{n}到{m}有多远？
什么时候去{n}旅游最好？
谁出生在{n}？
{n}一月份的天气怎么样
{n}的市长是谁？
{n}比{m}大吗？
哪些河流经过{n}？
{n}是什么时候建立的？
{n}便宜的酒店
{n}的历史
去{n}的机票
{n}的面积是多少？
{n}有多高？
{n}有哪些大学？
{n}附近有哪些城市？
现在{n}几点？
去{n}旅游安全吗""",
        "country": """{n}的首都是哪里？
{n}说什么语言？
{n}用什么货币？
{n}的总统是谁？
{n}和哪些国家接壤？
去{n}需要签证吗？
{n}什么时候独立的？
{n}在哪个洲？
{n}的国旗是什么颜色的？
{n}人信什么教？
{n}向{m}出口什么？
{n}人口""",
        "person": """{n}是谁？
{n}什么时候出生的？
{n}在哪里去世的？
{n}和谁结婚了？
{n}多大了？
{n}写过哪些书？
{n}演过哪些电影？
{n}为什么有名？
{n}有几个孩子？
{n}发明了什么？
{n}在哪里上的大学？
{n}得过什么奖？
{n}认识{m}吗？
{n}的父母是谁？
{n}是哪国人？
{n}的名言
{n}简介
{n}怎么评价{m}？
{n}是怎么死的？
{n}身高多少
{n}的第一张专辑叫什么？""",
        "work": """{n}是谁写的？
谁导演了{n}？
{n}的主角是谁？
{n}是哪一年上映的？
{n}讲的是什么故事？
{n}的结局是什么？
{n}有多少页？
在哪里可以看{n}？
谁为{n}作曲？
{n}是在哪里拍的？
{n}里有哪些人物？
{n}得过奖吗？
{n}和{m}哪个好看？
{n}的主要内容
{n}是谁画的？
{n}有多长？
{n}有续集吗""",
        "company": """谁创办了{n}？
{n}的总部在哪里？
{n}有多少员工？
{n}生产什么？
{n}是谁的公司？
{n}的老板是谁？
{n}是哪一年成立的？
{n}上市了吗？
{n}星期天开门吗？
附近哪里有{n}？
{n}股票
{n}属于{m}吗？
{n}一年赚多少钱？""",
        "language": """有多少人说{n}？
哪里的人说{n}？
{n}难学吗？
{n}的谢谢怎么说？
{n}属于什么语系？
{n}和{m}像吗？
{n}用什么字母？""",
        "thing": """{n}是什么？
{n}是什么意思？
{n}是从哪里来的？
{n}是怎么工作的？
你知道{n}吗？
给我讲讲{n}
{n}和{m}有什么区别？
我想了解一下{n}
{n}的图片
为什么{n}那么有名？
{n}多少钱？
{n}是什么时候建的？
{n}有多重？
介绍一下{n}
{n}还是{m}好？""",
        "none": """怎么煮鸡蛋？
明天天气怎么样？
现在几点了？
为什么天是蓝的？
一年有多少天？
送妈妈什么生日礼物好？
怎么洗掉衣服上的红酒？
讲个笑话吧
怎样才能睡得更好
头疼怎么办？
多久浇一次花？
七乘八等于多少？
我的钥匙放在哪儿了？
怎么写求职信？
猫为什么会打呼噜？
快递要多久才能到？
世界上跑得最快的动物是什么？
喝咖啡对身体好吗？
怎么换轮胎？
成年人有几颗牙？
梦见水是什么意思
狗能活多少年？
今天晚饭吃什么？
怎么学得更快？
谁把窗户打开了？
今天星期几？
百分比怎么算？
感冒了能洗澡吗""",
    },
}
