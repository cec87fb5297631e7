package prompt

import (
	"strconv"

	"tincan/phone/media/deck"
)

// MostNumber is the largest number that is put together from recordings; larger
// ones are spoken.
const MostNumber = 999_999

// Gender is that of what is counted.
type Gender uint8

// Genders. Neuter is the Russian message's.
const (
	Plain Gender = iota // counting: one, two, three
	Masculine
	Feminine
	Neuter
)

// Number says a number, as a count of something of a gender.
func (l *Library) Number(language string, n int, g Gender) []deck.Item {
	words, ok := numberWords(language, n, g)
	if !ok {
		return []deck.Item{l.Speak(language, strconv.Itoa(n))}
	}
	return l.recordings(language, words)
}

func (l *Library) recordings(language string, words []string) []deck.Item {
	items := make([]deck.Item, 0, len(words))
	for _, w := range words {
		items = append(items, l.Say(language, w, ""))
	}
	return items
}

// Digits says each digit, such as those of a telephone number.
func (l *Library) Digits(language, digits string) []deck.Item {
	var items []deck.Item
	for _, d := range digits {
		switch {
		case d >= '0' && d <= '9':
			items = append(items, l.Say(language, "digits/"+string(d), string(d)))
		case d == '*':
			items = append(items, l.Say(language, "digits/star", ""))
		case d == '#':
			items = append(items, l.Say(language, "digits/pound", ""))
		}
	}
	return items
}

// numberWords are the names of the recordings that make a number, for the
// languages whose rules are known and the numbers that they have words for.
func numberWords(language string, n int, g Gender) ([]string, bool) {
	if n < 0 || n > MostNumber {
		return nil, false
	}
	rules, ok := grammars(language)
	if !ok {
		return nil, false
	}
	if n == 0 {
		return []string{digit(0)}, true
	}
	var words []string
	if thousands := n / 1000; thousands > 0 {
		before, ok := rules.thousands(thousands)
		if !ok {
			return nil, false
		}
		words = before
	}
	rest := n % 1000
	if hundreds := rest / 100; hundreds > 0 {
		before, ok := rules.hundreds(hundreds, rest%100)
		if !ok {
			return nil, false
		}
		words = append(words, before...)
	}
	if rest %= 100; rest > 0 {
		words = append(words, rules.below(rest, n, g)...)
	}
	return words, true
}

// grammar is how a language puts numbers together.
type grammar struct {
	thousands func(n int) ([]string, bool)
	hundreds  func(n, rest int) ([]string, bool)
	below     func(n, whole int, g Gender) []string // 1 to 99, of a whole number
}

func digit(n int) string { return "digits/" + strconv.Itoa(n) }

func grammars(language string) (grammar, bool) {
	switch language {
	case "en":
		return grammar{
			thousands: counted("en", "digits/thousand"),
			hundreds: func(n, _ int) ([]string, bool) {
				return []string{digit(n), "digits/hundred"}, true
			},
			below: func(n, _ int, _ Gender) []string { return tens(n, nil) },
		}, true
	case "es":
		return grammar{spanishThousands, spanishHundreds, spanishBelow}, true
	case "fr":
		return grammar{
			thousands: counted("fr", "digits/thousand"),
			hundreds:  oneLeftOut("digits/hundred"),
			below:     func(n, _ int, _ Gender) []string { return frenchBelow(n) },
		}, true
	case "it":
		return grammar{italianThousands, oneLeftOut("digits/hundred"), italianBelow}, true
	case "ru":
		return grammar{russianThousands, russianHundreds, russianBelow}, true
	}
	return grammar{}, false
}

// tens says 1 to 99 as twenty one, with something between.
func tens(n int, between []string) []string {
	if n <= 20 || n%10 == 0 {
		return []string{digit(n)}
	}
	return append(append([]string{digit(n - n%10)}, between...), digit(n%10))
}

// counted says the thousands before their name; a single one is not said, but in
// English.
func counted(language, name string) func(int) ([]string, bool) {
	return func(n int) ([]string, bool) {
		if n == 1 && language != "en" {
			return []string{name}, true
		}
		words, ok := numberWords(language, n, Plain)
		return append(words, name), ok
	}
}

// oneLeftOut says hundreds: cent, deux cents.
func oneLeftOut(name string) func(n, rest int) ([]string, bool) {
	return func(n, _ int) ([]string, bool) {
		if n == 1 {
			return []string{name}, true
		}
		return []string{digit(n), name}, true
	}
}

func spanishThousands(n int) ([]string, bool) {
	if n%10 == 1 && n > 1 && n%100 != 11 {
		return nil, false // veintiún mil, treinta y un mil: not recorded
	}
	return counted("es", "digits/thousand")(n)
}

// spanishHundreds: cien alone, ciento before more.
func spanishHundreds(n, rest int) ([]string, bool) {
	switch {
	case n > 1:
		return []string{digit(n * 100)}, true
	case rest > 0:
		return []string{"digits/100-and"}, true
	}
	return []string{"digits/hundred"}, true
}

// spanishBelow: uno, un mensaje, una; treinta y dos.
func spanishBelow(n, _ int, g Gender) []string {
	one := map[Gender]string{Plain: digit(1), Masculine: "digits/1M", Feminine: "digits/1F", Neuter: "digits/1M"}[g]
	switch {
	case n == 1:
		return []string{one}
	case n < 30 || n%10 == 0:
		return []string{digit(n)}
	case n%10 == 1:
		return []string{digit(n - 1), "digits/and", one}
	}
	return tens(n, []string{"digits/and"})
}

// frenchBelow: vingt et un, soixante et onze, quatre-vingt-treize.
func frenchBelow(n int) []string {
	switch {
	case n > 80:
		return []string{digit(80), digit(n - 80)}
	case n == 71:
		return []string{digit(60), "digits/et", digit(11)}
	case n > 70 && n < 80:
		return []string{digit(60), digit(n - 60)}
	case n > 20 && n%10 == 1:
		return tens(n, []string{"digits/et"})
	}
	return tens(n, nil)
}

// italianThousands: mille, duemila.
func italianThousands(n int) ([]string, bool) {
	if n == 1 {
		return []string{"digits/thousand"}, true
	}
	words, ok := numberWords("it", n, Plain)
	return append(words, "digits/thousands"), ok
}

// italianBelow: ventuno and ventotto lose a letter, so they are recordings of
// their own; un messaggio.
func italianBelow(n, whole int, g Gender) []string {
	switch {
	case whole == 1 && g == Masculine:
		return []string{"digits/un"}
	case n > 20 && (n%10 == 1 || n%10 == 8):
		return []string{digit(n)}
	}
	return tens(n, nil)
}

// russianThousands: of a word with three forms one is recorded, so all are spoken.
func russianThousands(int) ([]string, bool) { return nil, false }

// russianHundreds: сто is recorded; двести and its kind are not.
func russianHundreds(n, _ int) ([]string, bool) {
	if n > 1 {
		return nil, false
	}
	return []string{"digits/hundred"}, true
}

// russianBelow: одно, два сообщения.
func russianBelow(n, _ int, g Gender) []string {
	words := tens(n, nil)
	last := len(words) - 1
	if n%10 == 1 && n != 11 && g == Neuter {
		words[last] = "digits/1n"
	}
	return words
}
