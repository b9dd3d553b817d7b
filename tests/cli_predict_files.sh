# Predictions from every format of data file are the same, and come out as JSONL, CSV and TSV with what is to be kept.
# $1 is the binary.
. tests/cli.sh

predict() { expect 0 "" "$hone" predict --model model "$@"; }
same() { cmp "$1" "$2" || fail "$3"; }

make_model good bad film the a was '##ly' '##s' e n i '##e' '##n' '##i' \
    tres bien . , '!' 中 ф '##ф'

printf 'id\ttext\tlabel\n1\tgood film, the "a"\tx\n2\t\ty\n3\ttrès bien\tx\n' >t.tsv
printf 'id,text,label\r\n1,"good film, the ""a""",x\r\n2,,y\r\n3,très bien,x\r\n' >t.csv
cat >t.jsonl <<'END'
{"id":1,"doc":{"text":"good film, the \"a\""},"label":"x"}
{"id":2,"label":"y","doc":{"text":""}}
{"doc":{"other":[1],"text":"tr\u00e8s bien"},"id":3,"label":"x"}
END
cut -f 2 t.tsv | tail -n +2 >t.txt
gzip -k t.csv t.jsonl
predict --input t.txt
cp out want
[ "$(wc -l <want)" = 3 ] || fail "$(wc -l <want) predictions"
predict --input t.tsv --column text; same out want "from TSV"
predict --input t.csv --column text; same out want "from CSV"
predict --input t.csv.gz --column text; same out want "from packed CSV"
predict --input t.jsonl --column doc.text; same out want "from JSONL"
predict --input t.jsonl.gz --column doc.text; same out want "from packed JSONL"
expect 0 "" "$hone" predict --model model --input-format csv --column text <t.csv.gz
same out want "from packed CSV on standard input"
expect 0 "" "$hone" predict --model model --text 'good film, the "a"'
same out <(head -n 1 want) "from the command line"

# Kept columns and the three formats of the output.
predict --input t.tsv --column text --keep all --output kept.csv
head -n 1 kept.csv | grep -qx 'input.id,input.text,input.label,label,score,score\.[^,]*,.*' || fail "header: $(head -n 1 kept.csv)"
sed -n 2p kept.csv | grep -q '^1,"good film, the ""a""",x,' || fail "first row: $(sed -n 2p kept.csv)"
predict --input t.csv --column text --keep id,text,label --output kept2.csv; same kept.csv kept2.csv "names and all"
predict --input kept.csv --column input.text; same out want "from an output"
predict --input t.csv --column text --keep label,id --format tsv
[ "$(cut -f 1-2 out)" = "$(printf 'input.label\tinput.id\nx\t1\ny\t2\nx\t3')" ] || fail "TSV: $(cat out)"
predict --input t.jsonl --column doc.text --keep all
sed 's/^{"input":.*},"label"/{"label"/' out | cmp - want || fail "JSONL with the input"
head -n 1 out | grep -qF '{"input":{"id":1,"doc":{"text":"good film, the \"a\""},"label":"x"},"label":' || fail "$(head -n 1 out)"
predict --input t.jsonl --column doc.text --keep id,doc.other,label
tail -n 1 out | grep -qF '{"input":{"id":3,"doc.other":[1],"label":"x"},"label":' || fail "$(tail -n 1 out)"
head -n 1 out | grep -qF '{"input":{"id":1,"doc.other":null,"label":"x"},"label":' || fail "$(head -n 1 out)"
predict --input t.jsonl --column doc.text --keep id,doc.other --format csv
sed -n 4p out | grep -q '^3,\[1\],' || fail "a list in CSV: $(sed -n 4p out)"

# A file of more than 110 MB with 100 MB of memory; the sanitizers need more.
if [ -f "$(dirname "$hone")/tests/io_preload.so" ]; then
    note=$(head -c 20000 /dev/zero | tr '\0' x)
    for i in $(seq 100); do printf '{"note":"%s","text":"good film %d"}\n' "$note" "$i"; done >large.jsonl
    while [ "$(stat -c %s large.jsonl)" -lt 110000000 ]; do
        cat large.jsonl large.jsonl >larger.jsonl && mv larger.jsonl large.jsonl
    done
    expect 0 "" bash -c 'ulimit -d 100000; exec "$0" predict --model model --input large.jsonl --column text --output predicted' "$hone"
    [ "$(wc -l <predicted)" = "$(wc -l <large.jsonl)" ] || fail "$(wc -l <predicted) predictions of $(wc -l <large.jsonl)"
    rm large.jsonl
fi

# The highest scores, in their order.
predict --input t.txt --top 1
best=$(sed -n 's/^{"label":\("[^"]*"\),"score":\([^,]*\),"scores":{\(.*\)}}$/\1:\2 \3/p' out | awk '$1 == $2' | wc -l)
[ "$best" = 3 ] || fail "--top 1: $(cat out)"
predict --input t.txt --top 2 --format csv
head -n 1 out | grep -qx 'label,score,label_2,score_2' || fail "--top 2: $(head -n 1 out)"
awk -F, 'NR > 1 && !($2 >= $4 && $1 != $3) { exit 1 }' out || fail "--top 2: $(cat out)"
# The label is that of the highest score, of whichever kind.
labels() { sed 's/.*"label":"\([^"]*\)".*/\1/' out; }
predict --input t.txt
labels >labels
predict --input t.txt --logits
labels | cmp -s - labels || fail "--logits: $(cat out)"
grep -q '"score":-\|"score":[1-9]\|"scores":{[^}]*:-' out || fail "--logits: no number outside 0 and 1: $(cat out)"
expect 2 '--output-embeddings goes with neither' "$hone" predict --model model --input t.txt --logits \
    --output-embeddings e.h5
predict --input t.txt --top 99
[ "$(tr -cd : <out | wc -c)" = "$(tr -cd : <want | wc -c)" ] || fail "--top 99"

# Embeddings: the same whatever the format, and those of a text alone; a folder without a head has them, too.
predict --input t.csv --column text --output-embeddings cls.safetensors
predict --input t.jsonl.gz --column doc.text --output-embeddings cls2.safetensors --pooling cls
same cls.safetensors cls2.safetensors "embeddings from JSONL"
"$hone" inspect cls.safetensors >out
row=$(sed -nE 's/^embeddings +F32 +\[3, ([0-9]+)\].*/\1/p' out)
[ "${row:-0}" -gt 0 ] || fail "$(cat out)"
predict --input t.txt --output-embeddings mean.safetensors --pooling mean
! cmp -s cls.safetensors mean.safetensors || fail "both poolings give the same"
for i in 1 2 3; do
    sed -n ${i}p t.txt >one.txt
    predict --input one.txt --output-embeddings one.safetensors --pooling mean
    cmp <(tail -c $((4 * row)) one.safetensors) \
        <(tail -c $((4 * row * (4 - i))) mean.safetensors | head -c $((4 * row))) || fail "vector $i alone is another"
done
predict --input t.txt --output-embeddings mean.h5 --pooling mean
grep -aqF embeddings mean.h5 || fail "no dataset in HDF5"
tail -c $((12 * row)) mean.safetensors | od -An -v -tx1 | tr -d ' \n' >want
od -An -v -tx1 mean.h5 | tr -d ' \n' | grep -qF -f want || fail "HDF5 holds other vectors than safetensors"
expect 2 'expected a name that ends in .safetensors, .h5' "$hone" predict --model model --input t.txt \
    --output-embeddings e.npy
expect 4 'nowhere/e.h5' "$hone" predict --model model --input t.txt --output-embeddings nowhere/e.h5
expect 2 '--pooling: found "max", expected cls or mean' "$hone" predict --model model --input t.txt \
    --output-embeddings e.safetensors --pooling max
expect 2 '--output-embeddings goes with neither' "$hone" predict --model model --input t.txt --top 1 \
    --output-embeddings e.safetensors
expect 4 'nowhere/e.safetensors' "$hone" predict --model model --input t.txt --output-embeddings nowhere/e.safetensors
: >none.txt
predict --input none.txt --output-embeddings none.safetensors
"$hone" inspect none.safetensors | grep -qF '[0, ' || fail "embeddings of nothing"

# What cannot be.
expect 2 'lines of text have no columns' "$hone" predict --model model --input t.txt --keep all
expect 2 '--keep all of JSONL into a table' "$hone" predict --model model --input t.jsonl --keep all --format csv
expect 3 'no column "no"; the columns are "id", "text", "label"' "$hone" predict --model model --input t.csv \
    --column text --keep no
expect 3 't.jsonl:1: "doc" is an object' "$hone" predict --model model --input t.jsonl --column doc.text --keep doc
expect 3 't.jsonl:1: the field "doc" is an object, expected a value' "$hone" predict --model model --input t.jsonl \
    --column doc
printf 'text\n"a\tb"\n' >tab.csv
expect 3 'tab.csv:2: "text" holds a TAB or line end, which TSV cannot' "$hone" predict --model model --input tab.csv \
    --column text --keep text --output tab.tsv
[ ! -e tab.tsv ] || fail "a half-written table"
head -c 60 t.csv.gz >cut.csv.gz
expect 3 'cut.csv.gz: the gzip data ends too early' "$hone" predict --model model --input cut.csv.gz --column text
echo "hone predict: files as expected"
