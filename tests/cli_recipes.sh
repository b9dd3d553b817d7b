# The recipes that people start from, each as it is shipped, on its own real data and vocabulary, to the end: a small model
# from nothing instead of the pretrained one, and fewer steps. Skipped without ../shared/data. $1 is the binary.
data=$(realpath -m ../shared/data)
recipes=$(realpath recipes)
. tests/cli.sh
if [ ! -d "$data" ]; then
    echo "skipped: no $data"
    exit 77
fi
skip_sanitized "smaller tests go the same ways"
ln -s "$data/.." shared # what recipes call ../shared from the folder that this goes on in
mkdir -p here/models here/demo/data here/data/text
cd here

# small_model FOLDER VOCABULARY CONFIG: the configuration's sizes go with it.
small_model() {
    mkdir "models/$1"
    cp "$data/tokenizers/$2"/* "models/$1/"
    echo "$3" >"models/$1/config.json"
}
sizes='"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 128'
small_model bert-base-cased bert-base-cased '{"model_type": "bert", "architectures": ["BertForMaskedLM"],
    "vocab_size": 28996, "max_position_embeddings": 256, '"$sizes}"
small_model roberta-base roberta-base '{"model_type": "roberta", "architectures": ["RobertaForMaskedLM"],
    "vocab_size": 50265, "max_position_embeddings": 258, "type_vocab_size": 1, "pad_token_id": 1, "bos_token_id": 0,
    "eos_token_id": 2, "layer_norm_eps": 1e-5, '"$sizes}"
small_model distilbert-base-uncased bert-base-uncased '{"model_type": "distilbert",
    "architectures": ["DistilBertForMaskedLM"], "vocab_size": 30522, "max_position_embeddings": 128, "dim": 64,
    "n_layers": 1, "n_heads": 4, "hidden_dim": 128}'

# at_least WHAT NUMBER LEAST
at_least() {
    echo "  $1: ${2:-none}"
    awk -v x="${2:-nan}" -v least="$3" 'BEGIN { exit !(x >= least) }' || fail "expected $3 or more"
}

# run NAME OUTPUT [OVERRIDE]…: trains, looks at the run's folder and loss; leaves its figures in ./results.
run() {
    local name=$1 output=$2
    shift 2
    echo "$name"
    expect 0 "" "$hone" train "$recipes/$name.yaml" "${init:-model.init=random}" optimizer.lr=3e-3 logging.every=10 "$@"
    for file in config.json model.safetensors README.md recipe.yaml metrics.jsonl; do
        [ -s "$output/$file" ] || fail "$name: no $file"
    done
    cp "$output/all_results.json" results
    awk -v name="$name" '
        /"split": *"train"/ { match($0, /"loss": *[-0-9.e+]+/); loss = substr($0, RSTART + 7, RLENGTH - 7) + 0
                              if (!n++) first = loss }
        END { printf "  loss from %g to %g in %d lines\n", first, loss, n; exit !(n > 2 && loss > 0 && loss < 0.9 * first) }
    ' "$output/metrics.jsonl" || fail "$name: the loss does not fall"
}

# The first 200 sentences of a CoNLL file as running text, a line each.
sentences() {
    awk 'NF { line = line (line == "" ? "" : " ") $1 }
         !NF && line != "" { print line; line = ""; if (++n == 200) exit }' "$1"
}

# tagger NAME OUTPUT FILE TYPE: the figures of a run's entities, and what is marked in sentences of FILE.
tagger() {
    local name=$1 output=$2 file=$3 type=$4
    for figure in precision recall f1 accuracy f1_strict; do at_least "$name: $figure" "$(number "eval_$figure" results)" 0.05; done
    sentences "$file" >text.txt
    expect 0 "" "$hone" predict --model "$output" --input text.txt
    [ "$(wc -l <out)" = 200 ] || fail "$name: $(wc -l <out) predictions"
    at_least "$name: sentences with a $type" "$(grep -c "\"entity_group\":\"$type\",\"score\":0.*,\"word\":\"..*\"}" out)" 5
    expect 0 "" "$hone" eval --model "$output" --data "$file"
    at_least "$name: f1 of $file" "$(number eval_f1)" 0.05
}

run ner_medical runs/ner_medical data.max_samples=1500
tagger ner_medical runs/ner_medical ../shared/data/ner/ncbi_disease/devel.tsv Disease

# A small RoBERTa with the real one's vocabulary, from nothing; then what it has learnt is taught names.
text=../shared/data/lm/wikitext-2/train_from_valid.txt
head -n 600 "$text" >data/text/train.txt
sed -n 601,700p "$text" >data/text/validation.txt
run mlm_roberta runs/mlm 'model.config={num_hidden_layers: 2}'
at_least "mlm_roberta: accuracy of hidden tokens" "$(number eval_accuracy results)" 0.005
at_least "mlm_roberta: validation's loss below that of guessing, ln 50265" "$(awk -v l="$(number eval_loss results)" 'BEGIN { print 10.825 - l }')" 1
grep -q '"num_hidden_layers": 2' runs/mlm/config.json || fail "mlm_roberta: $(cat runs/mlm/config.json)"

init=model.path=runs/mlm run ner_roberta runs/ner_roberta data.max_samples=1500
tagger ner_roberta runs/ner_roberta ../shared/data/ner/btc/a.conll PER

for part in train:1,1600 validation:1601,1800 test:1801,2000; do
    { echo "label	sentence"; tail -n +2 ../shared/data/sentiment/mr/train.tsv | sed -n "${part#*:}p"; } >"demo/data/${part%:*}.tsv"
done
run sentiment_distilbert runs/sentiment-distilbert
at_least "sentiment_distilbert: accuracy" "$(number eval_accuracy results)" 0.55
at_least "sentiment_distilbert: accuracy of the test" "$(number test_accuracy results)" 0.55
expect 0 "" "$hone" predict --model runs/sentiment-distilbert --input demo/data/test.tsv --column sentence --output p.tsv
[ "$(wc -l <p.tsv)" = 201 ] && grep -q '^[01]	0\.' p.tsv || fail "predictions: $(head -n 2 p.tsv)"
echo "every recipe runs to its end"
