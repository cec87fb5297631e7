package tone

import "testing"

// Each code is the code of the sample that it stands for, and a tone stays one.
func TestLawsAreTheirOwnInverse(t *testing.T) {
	for c := range 256 {
		if x := muLawSample(byte(c)); muLawByte(x) != byte(c) && x != 0 { // there are two zeros
			t.Errorf("mu-law: %#x is %d, which is %#x", c, x, muLawByte(x))
		}
		if x := aLawSample(byte(c)); aLawByte(x) != byte(c) {
			t.Errorf("A-law: %#x is %d, which is %#x", c, x, aLawByte(x))
		}
	}
	s := Sine(440, heardLong, g711Rate)
	for name, heard := range map[string]Sound{"mu-law": FromMuLaw(MuLaw(s)), "A-law": FromALaw(ALaw(s))} {
		m, ok := heard.Measure(440, heardLong/2)
		if !ok || m.Share < 0.999 || m.Level < -0.1 || m.Level > 0.1 {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

const heardLong = 20 * window
