"""Tiny models with random weights, made in a second, for tests that run real engines.

A language model, a cross-encoder and an embedder in the layout of the model hub, so that
transformers, sentence-transformers and vLLM load them by folder. The seeds are fixed: the
same versions of the libraries write the same bytes every time. The weights know nothing; what
these models are for is the way text, tokens and scores travel through an engine.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

SENTENCES = (
    "The river carries sand and clay from the mountains down to the sea.",
    "How does the heart pump blood through the body?",
    "What is the best way to store bread so that it stays fresh?",
    "A contract is a promise that the law will enforce.",
    "Which planets can be seen from the earth without a telescope?",
    "Bees tell each other where flowers are by dancing in the hive.",
    "Inflation is a general rise in the prices of goods and services.",
    "Steel is made from iron and a small amount of carbon.",
    "Why do leaves change their colour in the autumn?",
    "The query asks for a short answer about the document that follows.",
    "Write one question that this passage answers, and return it as JSON.",
    "Vaccines train the immune system to know a virus before it meets it.",
    "The engine of the train was built to burn wood as well as coal.",
    "Who wrote the first dictionary of the English language?",
    "A cell divides into two cells, and each keeps a copy of the same genes.",
    "Search engines rank pages by how well they match what people want to find.",
)

# One line for each message, then the start of the answer; a missing system message is fine.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)

LLAMA_SPECIAL_TOKENS = ("<pad>", "<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
BERT_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PRINTABLE = tuple(chr(code) for code in range(33, 127))

# Added to the logits, whatever the text before: strings end after a dozen tokens or so, answers
# are mostly words, and JSON is not padded with spaces. Without this a random model fills a
# string with stray bytes until it runs out of tokens.
QUOTE_BIAS = 6.5
STOP_BIAS = 4.5
WORD_BIAS = 2.5
SPACE_BIAS = -4.0


def tiny_llama(folder: Path) -> Path:
    """Write a two-layer Llama of 2,048 positions, with a chat template, and return its folder.

    Its byte-level tokenizer encodes any Unicode text. Answers are short strings of random
    words; under a JSON schema, nearly always a whole document within 200 tokens.
    """
    return _build_once(folder, _write_llama)


def tiny_cross_encoder(folder: Path) -> Path:
    """Write a two-layer BERT scorer of text pairs (one label, 128 positions); return its folder."""
    return _build_once(folder, _write_cross_encoder)


def tiny_embedder(folder: Path) -> Path:
    """Write a two-layer BERT with mean pooling, 32 dimensions, unit length; return its folder."""
    return _build_once(folder, _write_embedder)


def tiny_yes_no(folder: Path) -> Path:
    """Write a two-layer Qwen3 of 512 positions that may answer yes or no; return its folder.

    What an original Qwen3-Reranker is on the hub: a language model, with Qwen's special tokens.
    """
    return _build_once(folder, _write_yes_no)


def tiny_decoder_without_padding(folder: Path) -> Path:
    """Write a Llama with a head of one label whose tokenizer has no token to pad with."""
    return _build_once(folder, _write_decoder)


def _build_once(folder: Path, write: Callable[[Path], None]) -> Path:
    """Have `write` fill a temporary folder and rename it to `folder`, unless it is there."""
    if (folder / "config.json").exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            write(partial)
        os.replace(partial, folder)
    except OSError:
        # Another process was faster: its folder has the same bytes.
        if not (folder / "config.json").exists():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write_llama(folder: Path) -> None:
    tokenizer = _llama_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.15,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    _bias_logits(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _write_yes_no(folder: Path) -> None:
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call, unused-ignore]
        tokenizer_object=_byte_level(["yes", "no", "yes no", *SENTENCES] * 3, special),
        pad_token=special[0],
        eos_token=special[2],
        padding_side="left",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    config = Qwen3Config(
        vocab_size=len(fast),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=512,
        initializer_range=0.3,
        eos_token_id=fast.eos_token_id,
        tie_word_embeddings=True,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)


def _write_decoder(folder: Path) -> None:
    tokenizer = _llama_tokenizer()
    tokenizer.pad_token = None
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        num_labels=1,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _byte_level(texts: Iterable[str], special: Iterable[str]) -> Tokenizer:
    """Return byte pairs trained on texts: 512 tokens, of which none is unknown."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=512,
        special_tokens=list(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _llama_tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call, unused-ignore]
        tokenizer_object=_byte_level(SENTENCES, LLAMA_SPECIAL_TOKENS),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="<|end|>",
        additional_special_tokens=["<|system|>", "<|user|>", "<|assistant|>"],
        chat_template=CHAT_TEMPLATE,
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


def _bias_logits(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Give the output layer a bias, which Llama has not, through a dimension that is constant.

    The first number of every embedding is large and no layer writes to it, so that after the
    last norm it is about the same at each position.
    """
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = 4.0
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[0] = 0.0
            layer.mlp.down_proj.weight[0] = 0.0
        model.lm_head.weight[:, 0] = _token_bias(tokenizer) / _constant_after_norm(model)


def _token_bias(tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """Return what to add to the logit of each token; a word is a token of several bytes."""
    bias = torch.zeros(len(tokenizer))
    bias[len(LLAMA_SPECIAL_TOKENS) + 256 :] = WORD_BIAS
    for text, value in (('"', QUOTE_BIAS), ("<|end|>", STOP_BIAS), (" \n\r\t", SPACE_BIAS)):
        bias[tokenizer.encode(text, add_special_tokens=False)] = value
    return bias


def _constant_after_norm(model: LlamaForCausalLM) -> float:
    """Return what the first dimension is, on average, when it reaches the output layer."""
    tokens = torch.arange(model.config.vocab_size).unsqueeze(0)
    hidden = model.model(input_ids=tokens).last_hidden_state
    return float(hidden[..., 0].mean())


def _write_cross_encoder(folder: Path) -> None:
    tokenizer = _bert_tokenizer()
    config = _bert_config(tokenizer, hidden_size=64, heads=2)
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _write_embedder(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    tokenizer = _bert_tokenizer()
    with tempfile.TemporaryDirectory() as name:
        # vLLM on a CPU wants heads of 32 dimensions or more: one head.
        config = _bert_config(tokenizer, hidden_size=32, heads=1)
        BertModel(config).save_pretrained(name)
        tokenizer.save_pretrained(name)
        transformer = Transformer(name)
    pooling = Pooling(config.hidden_size, pooling_mode="mean")
    model = SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu")
    model.save(str(folder), create_model_card=False)
    # Over the one just saved, which tells how it was loaded: online or offline.
    tokenizer.save_pretrained(folder)


def _bert_config(tokenizer: BertTokenizer, hidden_size: int, heads: int) -> BertConfig:
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=2,
        num_attention_heads=heads,
        max_position_embeddings=128,
        # Wide, so that different texts get clearly different vectors and scores.
        initializer_range=0.3,
        pad_token_id=tokenizer.pad_token_id,
    )


def _bert_tokenizer() -> BertTokenizer:
    vocabulary = {token: rank for rank, token in enumerate(_word_pieces(SENTENCES))}
    return BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=128)


def _word_pieces(sentences: Iterable[str]) -> list[str]:
    """Return special tokens, printable characters alone and within a word, then whole words.

    Written out, not trained: the trainer of WordPiece is not the same on every run.
    """
    characters = [c for c in PRINTABLE if not c.isupper()]
    words = {word.strip(".,?").lower() for sentence in sentences for word in sentence.split()}
    long_words = sorted(word for word in words if len(word) > 1)
    return [*BERT_SPECIAL_TOKENS, *characters, *(f"##{c}" for c in characters), *long_words]
