package peer

import (
	"fmt"
	"strings"
)

// What a script reads of a message that it receives.

// header reads a part of a header into a variable.
func (s *Script) header(variable, name, pattern string) string {
	s.names = append(s.names, variable)
	return fmt.Sprintf(`<ereg regexp="%s" search_in="hdr" header="%s:" assign_to="%s"/>`, escaped(pattern), name, variable)
}

// Read makes an action that reads what a pattern (POSIX, extended) finds in the
// message into variables, the whole and each of its groups; the call fails where
// it finds nothing.
func (s *Script) Read(pattern string, variables ...string) string {
	s.names = append(s.names, variables...)
	return fmt.Sprintf(`<ereg regexp="%s" search_in="msg" check_it="true" assign_to="%s"/>`, escaped(pattern), strings.Join(variables, ","))
}

// Check makes an action that fails the call unless the message has the pattern.
func (s *Script) Check(pattern string) string {
	return s.Read(pattern, s.fresh())
}

// CheckNot makes an action that fails the call if the message has the pattern.
func (s *Script) CheckNot(pattern string) string {
	v := s.fresh()
	s.names = append(s.names, v)
	return fmt.Sprintf(`<ereg regexp="%s" search_in="msg" check_it_inverse="true" assign_to="%s"/>`, escaped(pattern), v)
}

func (s *Script) fresh() string {
	s.reads++
	return fmt.Sprintf("read%d", s.reads)
}

// Say makes an action that writes a line into SIPp's log (-trace_logs).
func (s *Script) Say(text string) string { return fmt.Sprintf("<log message=%q/>", text) }

// escaped makes a pattern fit for an attribute, by the names that SIPp knows.
func escaped(pattern string) string {
	return strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;").Replace(pattern)
}
