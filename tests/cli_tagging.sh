# Words with labels on the command line: hone predict in every format, what it refuses, texts with ranges of characters, the
# table of types, the data report. $1 is the binary.
. tests/cli.sh

has() { grep -qF -- "$1" out || fail "no $1 in: $(cat out)"; }

make_model good bad film the a was angela york new '##ly' . ,
printf '%s\n' 'the B-PER' 'good I-PER' '. O' '' 'bad B-LOC' 'film E-LOC' 'was O' >train.conll
cat >r.yaml <<'END'
model: {path: model, init: random}
task: {type: token_classification}
data: {train: train.jsonl, validation: train.jsonl, text: text, label: entities, max_length: 8}
training: {epochs: 40, batch_size: 2}
optimizer: {lr: 1.0e-2}
schedule: {name: constant}
evaluation: {every: 40}
output: run
logging: {level: info}
END
cat >train.jsonl <<'END'
{"text":"the good film.","entities":[{"start":4,"end":8,"label":"PER"}]}
{"text":"New york was bad, angela","entities":[[18,24,"PER"],[0,8,"LOC"]]}
{"text":"","entities":[]}
{"text":"the film was badly","entities":[{"start":13,"end":16,"entity_group":"LOC","score":1}]}
END
expect 0 'train.jsonl:4: the first of 1 entities that don'"'"'t begin and end with words' "$hone" train r.yaml
grep -q 'eval  *support' err || fail "no table"
grep -q '^.*PER  *2 ' err || fail "no line of PER: $(cat err)"
expect 0 'PER' "$hone" eval --model run --data train.jsonl --text text --label entities
has '"eval_f1": 1.0'
has '"eval_scheme": "iob2"'

# What was learnt is marked, and its output can be taught.
cut -d '"' -f 4 train.jsonl >t.txt
expect 0 "" "$hone" predict --model run --input t.txt
sed 's/"score":[^,]*,//g' out >got
cat >want <<'END'
{"entities":[{"entity_group":"PER","start":4,"end":8,"word":"good"}]}
{"entities":[{"entity_group":"LOC","start":0,"end":8,"word":"new york"},{"entity_group":"PER","start":18,"end":24,"word":"angela"}]}
{"entities":[]}
{"entities":[{"entity_group":"LOC","start":13,"end":18,"word":"badly"}]}
END
cmp got want || fail "$(diff got want)"
expect 0 "" "$hone" predict --model run --input train.jsonl --keep text --output again.jsonl
expect 0 "" "$hone" eval --model run --data again.jsonl --text input.text --label entities
has '"eval_f1": 1.0'
expect 0 "" "$hone" predict --model run --text "New york was bad, angela" --aggregation none
has '{"entity":"B-PER","score":'
has '"index":6,"start":18,"end":24,"word":"angela"}]}'
expect 0 "" "$hone" predict --model run --input t.txt --output t.conll
printf '%s\t%s\n' the O good B-PER film O . O >words
head -n 4 t.conll | cmp - words || fail "CoNLL: $(cat t.conll)"
expect 0 "" "$hone" eval --model run --data t.conll
has '"eval_f1": 1.0'

# Words that are given stay as they are, each with its line, also those without tokens; long sentences are windows.
printf '%s\n' the good film . '' New york $'\u200d' was bad , angela '' >words.conll
paste words.conll <(printf '%s\n' O B-PER O O '' B-LOC I-LOC O O O O B-PER '') | sed 's/^\t$//' >want
expect 0 "" "$hone" predict --model run --input words.conll --output p.conll
cmp p.conll want || fail "given words: $(diff p.conll want)"
expect 0 "" "$hone" eval --model run --data p.conll
has '"eval_f1": 1.0'
expect 0 "" "$hone" predict --model run --input-format conll --keep 0 <words.conll
sed 's/"score":[^,]*,//g' out | head -n 1 >got
echo '{"input":{"0":["the","good","film","."]},"entities":[{"entity_group":"PER","start":4,"end":8,"word":"good"}]}' | cmp - got ||
    fail "$(cat got)"
has '"start":0,"end":8,"word":"new york"}'
has '"start":21,"end":27,"word":"angela"}'
echo '{"tokens":["the","good","film","."]}' >words.jsonl
expect 0 "" "$hone" predict --model run --input words.jsonl --column tokens --format conll
head -n 5 want | cmp - out || fail "a list of words: $(cat out)"
for i in {1..9}; do head -n 4 want; done >marked.conll
cut -f 1 marked.conll >long.conll
expect 0 "" "$hone" predict --model run --input long.conll --format conll
head -n 36 out | cmp - marked.conll || fail "words of windows: $(cat out)"
# Windows of 14 words, of which neighbours share 4 and take half each, are predicted as if each were alone.
cp -r run wide
sed -i 's/"model_max_length": 8/"model_max_length": 16/' wide/tokenizer_config.json
for w in 0 1 2 3; do tail -n +$((10 * w + 1)) long.conll | head -n 14 && echo; done >windows.conll
expect 0 "" "$hone" predict --model wide --input windows.conll --format conll
awk 'BEGIN { RS = ""; FS = "\n" } { for (i = NR > 1 ? 3 : 1; i <= (NR < 4 ? 12 : NF); i++) print $i }' out >want_wide
expect 0 "" "$hone" predict --model wide --input long.conll --format conll
head -n 36 out | cmp - want_wide || fail "words of wide windows: $(diff out want_wide)"
echo '{"tokens":["the",""]}' >words.jsonl
refused 3 'words.jsonl:1: word 2 is empty' "$hone" predict --model run --input words.jsonl --column tokens
refused 2 '--input-format: found "conll", expected tsv, csv, jsonl or text' "$hone" predict --model model --input words.conll

expect 0 "" "$hone" predict --model run --text "the good film." --format text
[ "$(cat out)" = "$(printf 'the \033[1;7;%dmgood\033[27m PER\033[0m film.' "$(sed 's/.*;7;\([0-9]*\)m.*/\1/' out)")" ] || fail "$(cat -v out)"
script -qec "$hone predict --model run --text 'the good film.'" /dev/null 2>/dev/null </dev/null | tr -d '\r' | grep -v '^$' | cmp - out ||
    fail "on a terminal"

refused 2 '--aggregation: found "mean", expected none, simple, first, average or max' "$hone" predict --model run \
    --aggregation mean --text a
refused 2 'CoNLL has a line for each word' "$hone" predict --model run --aggregation simple --format conll --text a
refused 2 '--output: found "csv", expected jsonl, conll or text' "$hone" predict --model run --text a --output x.csv
refused 2 '--format: found "tsv", expected jsonl, conll or text' "$hone" predict --model run --text a --format tsv
refused 2 '--top: run labels words' "$hone" predict --model run --text a --top 1
refused 2 '--keep: only JSONL' "$hone" predict --model run --input train.jsonl --keep text --format conll
refused 2 '--aggregation: model labels no words' "$hone" predict --model model --aggregation first --text a
refused 2 'expected tsv, csv or jsonl' "$hone" predict --model model --format conll --text a

while IFS='|' read -r line message; do
    echo "$line" >bad.jsonl
    refused 3 "bad.jsonl:1: $message" "$hone" train r.yaml data.train=bad.jsonl data.validation=null output=other
done <<'END'
{"text":"a","entities":[[0,2,"X"]]}|entity 1: characters 0 to 2, expected some of the text's 1
{"text":"ab","entities":[[1,1,"X"]]}|entity 1: characters 1 to 1
{"text":"ab","entities":[[0,1]]}|entity 1: expected {"start": number
{"text":"abc","entities":[[0,2,"X"],[1,3,"Y"]]}|the entities at characters 0 to 2 and 1 to 3 overlap
{"text":"abc","entities":[[0,2,""]]}|entity 1: its label is empty
{"text":"abc","entities":["X"]}|no list of entities for a text
{"text":"abc"}|no list of entities for a text
{"text":[["a"]],"entities":[]}|the field "text" is a list of lists or objects, expected a list
END

# The data report.
printf '%s\n' 'the B-PER' 'good I-PER' '. O' '' 'bad I-LOC' 'film O' '' 'a O' 'b O' 'c O' 'd O' 'e O' 'f O' 'g I-PER' >x.conll
printf '%s\n' 'was O' '' 'bad I-LOC' 'film O' '' 'york B-NEW' >y.conll
expect 0 "" "$hone" recipe check --data r.yaml data.train=x.conll data.validation=y.conll data.text=null data.label=null
has 'in windows'
has 'train                 3'
has '1 ( 33.3 %)'
has 'x.conll:8  9 tokens'
has 'O 8 (66.7 %)'
has 'x.conll:5  I-LOC behind the beginning'
has 'x.conll:14  I-PER behind O'
has 'y.conll:3  I-LOC behind the beginning'
has 'invalid_transition: 3'
has 'x.conll:1  B-PER: 1'
has 'y.conll:3  like x.conll:5'
has 'not_in_training: 1'
has 'y.conll:6  B-NEW'
sed -i 's/^good I/good L/; s/^bad I/bad U/; s/^g I/g B/' x.conll
expect 0 "" "$hone" recipe check --data r.yaml data.train=x.conll data.validation=null data.text=null data.label=null
has 'invalid_transition: 1'
has 'x.conll:14  the end behind B-PER'
expect 0 "" "$hone" recipe check --data r.yaml
has 'LOC 2 (50.0 %)'
has 'train.jsonl:2  LOC: 2'
