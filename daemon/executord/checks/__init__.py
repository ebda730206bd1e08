"""What looks at files, trees and machines for those who ask, and puts right what needs no decision [OPS-8, CON-10]."""
