package prompt

import (
	"fmt"
	"strconv"

	"tincan/phone/media/deck"
)

// Messages says how many messages there are: "you have / 3 / messages".
func (l *Library) Messages(language string, n int) []deck.Item {
	if text, ok := messagesText(language, n); ok {
		return []deck.Item{l.Speak(language, text)}
	}
	if _, ok := grammars(language); !ok {
		language = Fallback
	}
	if n == 0 {
		return l.recordings(language, noMessages(language))
	}
	items := l.recordings(language, []string{"vm-youhave"})
	items = append(items, l.Number(language, n, messageGender(language))...)
	return append(items, l.Say(language, messageWord(language, n), ""))
}

// messagesText is the phrase in a language that has no recordings.
func messagesText(language string, n int) (string, bool) {
	switch language {
	case "zh":
		if n == 0 {
			return "您没有留言", true
		}
		return "您有" + strconv.Itoa(n) + "条留言", true
	case "de":
		switch n {
		case 0:
			return "Sie haben keine Nachrichten", true
		case 1:
			return "Sie haben eine Nachricht", true
		}
		return fmt.Sprintf("Sie haben %d Nachrichten", n), true
	}
	return "", false
}

func noMessages(language string) []string {
	switch language {
	case "es":
		return []string{"vm-youhaveno", "vm-messages"}
	case "fr", "it":
		return []string{"vm-youhave", "vm-no", "vm-message"}
	case "ru":
		return []string{"vm-youhave", "vm-no", "vm-messagex2"}
	}
	return []string{"vm-youhave", "vm-no", "vm-messages"}
}

// messageGender: le message, el mensaje, il messaggio, сообщение.
func messageGender(language string) Gender {
	switch language {
	case "es", "fr", "it":
		return Masculine
	case "ru":
		return Neuter
	}
	return Plain
}

// messageWord is one message, several, or, in Russian, two to four or many:
// by the last digit, but for 11 to 14.
func messageWord(language string, n int) string {
	if language != "ru" {
		if n == 1 {
			return "vm-message"
		}
		return "vm-messages"
	}
	switch last := n % 10; {
	case n%100 >= 11 && n%100 <= 14, last == 0, last >= 5:
		return "vm-messagex2"
	case last == 1:
		return "vm-message"
	}
	return "vm-messagex1"
}
