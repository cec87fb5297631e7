package peer

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// What phones do beside calls: presence, messages, the lamp of the mailbox.

// buddy is a linphone's file for an account that watches another and publishes its
// own presence: the first [sip] table must end before.
func (l *Linphone) buddy() string {
	a := l.account
	if a.Buddy == "" {
		return ""
	}
	return fmt.Sprintf(linphoneBuddy, a.Server, a.Transport, a.Number, a.Secret, a.Buddy)
}

// linphoneBuddy takes the server, the transport, the number, the secret and the
// watched number.
const linphoneBuddy = `default_proxy=0
[proxy_0]
reg_proxy=<sip:%[1]s;transport=%[2]s>
reg_identity=sip:%[3]s@%[1]s
reg_expires=600
reg_sendregister=1
publish=1
publish_expires=300
[auth_info_0]
username=%[3]s
userid=%[3]s
passwd=%[4]s
realm=tincan
[friend_0]
url="Buddy" <sip:%[5]s@%[1]s>
pol=accept
subscribe=1
`

// SendText sends a text message to an extension.
func (l *Linphone) SendText(t testing.TB, number, text string) {
	t.Helper()
	l.Send(t, fmt.Sprintf("chat sip:%s@%s %s", number, l.account.Server, text))
}

// AwaitText waits for the next text message, which must be this one.
func (l *Linphone) AwaitText(t testing.TB, from, text string) {
	t.Helper()
	line := l.awaitNews(t, &l.texts, "Message received from ")
	if want := fmt.Sprintf("Message received from sip:%s@", from); !strings.Contains(line, want) || !strings.HasSuffix(line, ": "+text) {
		t.Fatalf("%s: got %q, want %q from %s", l.name, line, text, from)
	}
}

// AwaitBuddy waits until the watched number is "Online", "On the phone", "Away" or
// "Offline".
func (l *Linphone) AwaitBuddy(t testing.TB, status string) {
	t.Helper()
	l.awaitNews(t, &l.statuses, " is "+status)
}

// awaitNews waits for a line after *cursor: such lines come at any time, while the
// phone registers too.
func (l *Linphone) awaitNews(t testing.TB, cursor *int, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	line, next, err := l.lines.await(ctx, *cursor, func(line string) bool { return strings.Contains(line, text) })
	if err != nil {
		t.Fatalf("%s: never printed %q: %v", l.name, text, err)
	}
	*cursor = next
	return line
}

// contacts is a baresip's file for an account that watches another.
func (b *Baresip) contacts() string {
	if b.account.Buddy == "" {
		return ""
	}
	return fmt.Sprintf("\"Buddy\" <sip:%s@%s>;presence=p2p\n", b.account.Buddy, b.account.Server)
}

// AwaitBuddy waits until the watched number, of which it knew another status,
// becomes "Online", "Busy" or "Offline".
func (b *Baresip) AwaitBuddy(t testing.TB, status string) {
	t.Helper()
	for {
		line := b.Await(t, "changed status from")
		if _, now, ok := strings.Cut(line, " to "); ok && strings.Contains(now, status) {
			return
		}
	}
}

// AwaitMailbox waits until it is told what is in its mailbox, and returns that.
func (b *Baresip) AwaitMailbox(t testing.TB) string {
	t.Helper()
	return b.awaitEvent(t, "MWI_NOTIFY").Param
}
