# hone tokenizer train and hone tokenize from the command line: files, order with several threads, pairs and words,
# windows, decoding, mistakes. $1 is the binary.
. tests/cli.sh
languages=$fixtures/tokenizer/languages.txt

for kind in bpe characters unigram wordpiece words; do
    OMP_NUM_THREADS=1 "$hone" tokenizer train --model $kind --vocab-size 700 --output one-$kind "$languages" 2>err
    grep -q "one-$kind: .* tokens from" err || fail "summary of $kind: $(cat err)"
    OMP_NUM_THREADS=3 "$hone" tokenizer train --model $kind --vocab-size 700 --output three-$kind "$languages" 2>err
    diff -r one-$kind three-$kind || fail "$kind depends on the number of threads"
    # Enough lines for several batches, in order with one thread and with four.
    if [ ! -f many ]; then for _ in $(seq 200); do cat "$languages"; done >many; fi
    OMP_NUM_THREADS=1 "$hone" tokenize --tokenizer one-$kind --input many >one
    OMP_NUM_THREADS=4 "$hone" tokenize --tokenizer one-$kind --input many >four
    cmp one four || fail "$kind: output depends on the number of threads"
    [ "$(wc -l <one)" = "$(wc -l <many)" ] || fail "$kind: lines"
done

printf '%s\n' '{"text": "ora toc", "text_pair": "toc ora"}' '{"text": ["ora", "toc"], "text_pair": null}' \
    '{"text": ["ora", "toc"], "text_pair": ["toc"]}' >pairs.jsonl
expect 0 "" "$hone" tokenize --tokenizer one-words --input pairs.jsonl
[ "$(sed -n 1p out | grep -o '"sequence_ids":[^]]*]')" = '"sequence_ids":[null,0,0,null,1,1,null]' ] || fail "pair: $(cat out)"
[ "$(sed -n 2p out | grep -o '"word_ids":[^]]*]')" = '"word_ids":[null,0,1,null]' ] || fail "words: $(cat out)"
[ "$(sed -n 3p out | grep -o '"type_ids":[^]]*]')" = '"type_ids":[0,0,0,0,1,1]' ] || fail "pair of words: $(cat out)"
echo "ora toc ora toc ora" >long.txt
expect 0 "" "$hone" tokenize --tokenizer one-words --input long.txt --max-length 4 --stride 1
[ "$(grep -o '"ids":\[[^]]*]' out | wc -l)" = 4 ] || fail "windows: $(cat out)"
"$hone" tokenize --tokenizer one-bpe --input "$languages" | sed 's/.*"ids":\(\[[^]]*]\).*/\1/' >ids
expect 0 "" "$hone" tokenize --tokenizer one-bpe --decode --input ids
sed 's/["\\]/\\&/g; s/.*/"&"/' "$languages" | cmp - out || fail "decoding what was encoded"

echo '{"text": 5}' >bad.jsonl
refused 3 'bad.jsonl:1: "text" is neither a string nor a list of strings' "$hone" tokenize --tokenizer one-bpe --input bad.jsonl
printf '[1, 2]\n[1,]\n' >bad.txt
expect 3 'bad.txt:2: byte 4: expected an array of ids' "$hone" tokenize --tokenizer one-bpe --decode --input bad.txt
[ "$(wc -l <out)" = 1 ] || fail "what stands before a bad line is printed"
refused 2 'goes with --max-length' "$hone" tokenize --tokenizer one-bpe --stride 3
refused 2 'expected longest_first' "$hone" tokenize --tokenizer one-bpe --max-length 9 --truncation first
refused 2 'expected a whole number from 1 to' "$hone" tokenize --tokenizer one-bpe --max-length 0
refused 2 '(did you mean "wordpiece"?)' "$hone" tokenizer train --model wordpeice --output x "$languages"
refused 2 '--output DIR is needed' "$hone" tokenizer train --model bpe "$languages"
refused 2 'give text files' "$hone" tokenizer train --model bpe --output x
refused 2 'has no meaning for --model bpe' "$hone" tokenizer train --model bpe --alphabet 5 --output x "$languages"
refused 2 'say what to do' "$hone" tokenizer
refused 3 'nowhere' "$hone" tokenizer train --model bpe --output x nowhere
[ ! -e x ] || fail "a folder was left behind"

# A file of more than 110 MB with 102 MB of memory; the sanitizers need more.
if [ -f "$(dirname "$hone")/tests/io_preload.so" ]; then
    for i in $(seq 64); do cat "$languages"; done >some.txt
    while [ "$(stat -c %s some.txt)" -lt 110000000 ]; do cat some.txt some.txt >more.txt && mv more.txt some.txt; done
    expect 0 "" bash -c 'ulimit -d 100000; exec "$0" tokenize --tokenizer one-bpe --input some.txt | wc -l >lines' "$hone"
    [ "$(cat lines)" = "$(wc -l <some.txt)" ] || fail "$(cat lines) texts of $(wc -l <some.txt)"
fi
echo "hone tokenizer: all as expected"
